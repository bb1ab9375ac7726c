"""What servers need to speak TLS."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsMaterial:
    """A certificate chain with its key, and the CA whose certificates clients must show; all PEM.

    `context` is for servers that take Python's own; it is of the same files. `client_ca` None: clients show nothing.
    """

    chain: bytes
    key: bytes = field(repr=False)
    client_ca: bytes | None
    context: ssl.SSLContext = field(repr=False, compare=False)


class TlsSource(Protocol):
    """Has the certificates as they are now. Any thread may ask."""

    @property
    def material(self) -> TlsMaterial:
        """The newest material that can be used."""
        ...
