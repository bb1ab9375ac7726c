"""Certificates in files, read again when the files change. What cannot be used does not replace what can."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from msc_authority.ports.tls import TlsMaterial

_log = logging.getLogger(__name__)

_Stamps = tuple[tuple[int, int, int], ...]


class TlsUnusable(Exception):
    """The certificate, the key or the CA cannot be used. The message names the file, never what is in it."""


class TlsFiles:
    """The certificates of a server. `refresh` looks whether the files changed."""

    def __init__(self, *, certificate: Path, key: Path, client_ca: Path | None) -> None:
        """Reads them.

        Raises:
            TlsUnusable: they cannot be used.
        """
        self._certificate, self._key, self._client_ca = certificate, key, client_ca
        self._stamps = self._stamp()
        self._problem = ""
        self.material = self._read()
        self.renewed = 0
        """How often they were replaced."""

    def refresh(self) -> None:
        """Takes the files as they are now, if they changed and can be used. Says once what is wrong if they cannot."""
        try:
            stamps = self._stamp()
            if stamps == self._stamps and not self._problem:
                return
            material = self._read()
            if self._stamp() != stamps:
                # One of them is being replaced: the next look sees all of them.
                return
        except TlsUnusable as error:
            self._complain(str(error))
            return
        self._stamps = stamps
        if material != self.material:
            self.material = material
            self.renewed += 1
            _log.info("Certificates were read again from %s", self._certificate)
        elif self._problem:
            _log.info("The certificates of before can be read again")
        self._problem = ""

    def _complain(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            _log.error("The new certificates cannot be used, those of before stay: %s", problem)

    def _files(self) -> list[Path]:
        return [path for path in (self._certificate, self._key, self._client_ca) if path is not None]

    def _stamp(self) -> _Stamps:
        found = []
        for path in self._files():
            try:
                stat = path.stat()
            except OSError as error:
                raise TlsUnusable(f"{path}: {error.strerror}") from error
            found.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
        return tuple(found)

    def _read(self) -> TlsMaterial:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        chain, key = self._bytes(self._certificate), self._bytes(self._key)
        try:
            # An empty password: nobody is asked for one on a terminal.
            context.load_cert_chain(self._certificate, self._key, password="")
        except (ssl.SSLError, OSError) as error:
            raise TlsUnusable(f"{self._certificate} with {self._key}: {_why(error)}") from error
        client_ca = None
        if self._client_ca is not None:
            client_ca = self._bytes(self._client_ca)
            try:
                context.load_verify_locations(self._client_ca)
            except (ssl.SSLError, OSError) as error:
                raise TlsUnusable(f"{self._client_ca}: {_why(error)}") from error
            context.verify_mode = ssl.CERT_REQUIRED
        return TlsMaterial(chain=chain, key=key, client_ca=client_ca, context=context)

    def _bytes(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise TlsUnusable(f"{path}: {error.strerror}") from error


def _why(error: ssl.SSLError | OSError) -> str:
    reason = getattr(error, "reason", None) or error.strerror or str(error)
    known = {
        "KEY_VALUES_MISMATCH": "the key does not belong to the certificate",
        "NO_START_LINE": "is not PEM",
        "NO_CERTIFICATE_OR_CRL_FOUND": "holds no certificate in PEM",
    }
    return known.get(str(reason), str(reason))
