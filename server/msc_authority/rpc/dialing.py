"""Channels of the command line: plaintext or TLS, and what goes with each call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import grpc

from msc_authority.rpc.targets import channel_target, name_for_list


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a caller shows, and whom it trusts; all PEM. `ca` None: it speaks plaintext."""

    token: str = field(default="", repr=False)
    ca: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = field(default=None, repr=False)
    server_name: str = ""

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with each call."""
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()


NOTHING = Credentials()


def dial(target: str, options: Sequence[tuple[str, int | str]], credentials: Credentials) -> grpc.Channel:
    """Returns a channel to host:port, or to whichever of several answers, which connects on first use."""
    address = channel_target(target)
    if credentials.ca is None:
        return grpc.insecure_channel(address, options=options)
    ssl = grpc.ssl_channel_credentials(credentials.ca, credentials.key, credentials.certificate)
    expected = credentials.server_name or name_for_list(target, address)
    name = [("grpc.ssl_target_name_override", expected)] if expected else []
    return grpc.secure_channel(address, ssl, options=[*options, *name])
