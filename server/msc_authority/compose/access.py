"""Composes the door: who is let in, by what, and the certificates that servers show."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from msc_authority.adapters.tls_files import TlsFiles
from msc_authority.app.access import Role
from msc_authority.app.admission import AccessRules, Admission
from msc_authority.app.permits import Permits
from msc_authority.app.rates import OpenStreams, RequestRates
from msc_authority.app.timing import Timer, pause
from msc_authority.app.tokens import REFRESH_S, TokenBook
from msc_authority.app.work import Worker

if TYPE_CHECKING:
    from msc_authority.ports.clock import Clock
    from msc_authority.ports.tokens import TokenStore
    from msc_authority.settings import Settings

_log = logging.getLogger(__name__)

LOOK_AT_FILES_S = 2.0
"""Time between two looks whether the certificates changed."""


class Access:
    """Who may come in. Lives beside the server: tokens are read again, certificates looked at."""

    def __init__(self, settings: Settings, tokens: TokenStore, clock: Clock, timer: Timer) -> None:
        """Reads the certificates. Raises TlsUnusable."""
        self._timer = timer
        # Two threads: a slow disk does not keep a token that was revoked alive.
        self._worker = Worker(threads=1, name="tokens")
        self._files = Worker(threads=1, name="certificates")
        self.book = TokenBook(store=tokens, clock=clock, worker=self._worker)
        self._permits = Permits(self.book)
        self.tls = tls_of(settings)
        self.admission = Admission(
            rules=rules_of(settings),
            book=self.book,
            permits=self._permits,
            rates=RequestRates(per_s=settings.max_requests_per_s, clock=clock),
            streams=OpenStreams(settings.max_streams),
            clock=clock,
        )

    async def keep_tokens(self) -> None:
        """Reads the tokens again, and ends what was let in by one that holds no more, for good."""
        while True:
            await self.book.read()
            self._permits.review()
            await pause(self._timer, REFRESH_S)

    async def keep_certificates(self) -> None:
        """Looks whether the certificates changed, for good."""
        while True:
            if self.tls is not None:
                await self._files.run(partial(self.tls.refresh))
            await pause(self._timer, LOOK_AT_FILES_S)

    def close(self) -> None:
        """Waits for blocking calls that have begun."""
        self._worker.close()
        self._files.close()


def tls_of(settings: Settings) -> TlsFiles | None:
    """Returns the certificates that the settings name; None: the servers speak plaintext. Raises TlsUnusable."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return TlsFiles(certificate=settings.tls_certificate, key=settings.tls_key, client_ca=settings.tls_client_ca)


def rules_of(settings: Settings) -> AccessRules:
    """Returns who is let in without a token."""
    return AccessRules(
        local=None if settings.loopback_role == "none" else Role(settings.loopback_role),
        remote=Role(settings.remote_role) if settings.allow_anonymous_remote else None,
        certificates={name: frozenset(map(Role, roles)) for name, roles in settings.certificates.items()},
    )
