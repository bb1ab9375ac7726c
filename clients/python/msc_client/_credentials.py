"""What a client shows of itself: certificates, and a token. Files are read again whenever they are needed."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msc_client.config import TlsFiles

if TYPE_CHECKING:
    from pathlib import Path

Metadata = tuple[tuple[str, str], ...]
Stamps = tuple[tuple[str, int, int], ...]

_PRINTABLE = re.compile(r"[!-~]+", re.ASCII)


class Credentials:
    """Certificates and a token, of the host or of the environment. Its representation names no secret."""

    __slots__ = ("_token", "_token_file", "tls")

    def __init__(self, *, tls: TlsFiles | None = None, token: str = "", token_file: Path | None = None) -> None:
        self.tls = tls
        self._token, self._token_file = token, token_file

    @property
    def has_token(self) -> bool:
        """Whether calls carry a token."""
        return bool(self._token) or self._token_file is not None

    def metadata(self) -> Metadata:
        """Returns what each call carries.

        Raises:
            OSError: the file of the token cannot be read, or holds none. What it holds is not said.
        """
        token = self._token if self._token_file is None else _token_in(self._token_file)
        return (("authorization", f"Bearer {token}"),) if token else ()

    def stamps(self) -> Stamps:
        """Returns what is another value once a file changed."""
        tls = self.tls
        paths = [self._token_file]
        if tls is not None:
            paths += [tls.root_certificates, tls.certificate_chain, tls.private_key]
        return tuple(_stamp(path) for path in paths if path is not None)

    def __repr__(self) -> str:
        """Where they come from."""
        token = "" if not self.has_token else f", token={'***' if self._token_file is None else self._token_file}"
        return f"Credentials(tls={self.tls}{token})"


def credentials_of(
    *,
    tls: TlsFiles | None = None,
    token: str = "",
    token_file: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Credentials:
    """Returns what the host gave, and what it did not give from MSC_TOKEN, MSC_TOKEN_FILE and MSC_TLS_*.

    Raises:
        ValueError: a token and the file of one are given, or half a pair of certificate and key.
    """
    env = {name: value.strip() for name, value in (os.environ if environment is None else environment).items() if value}
    if not token and token_file is None:
        token, token_file = env.get("MSC_TOKEN", ""), _path(env, "MSC_TOKEN_FILE")
    if token and token_file is not None:
        raise ValueError("token: both a token and token_file are given; give one (MSC_TOKEN, MSC_TOKEN_FILE)")
    return Credentials(tls=tls or _tls_from(env), token=token, token_file=token_file)


def _tls_from(env: Mapping[str, str]) -> TlsFiles | None:
    root = _path(env, "MSC_TLS_CA")
    if root is None:
        return None
    return TlsFiles(
        root_certificates=root,
        certificate_chain=_path(env, "MSC_TLS_CLIENT_CERTIFICATE"),
        private_key=_path(env, "MSC_TLS_CLIENT_KEY"),
        server_name=env.get("MSC_TLS_SERVER_NAME", ""),
    )


def _path(env: Mapping[str, str], name: str) -> Path | None:
    text = env.get(name, "")
    if not text:
        return None
    from pathlib import Path

    return Path(text).expanduser()


def _token_in(path: Path) -> str:
    try:
        text = path.read_bytes().decode("ascii", errors="replace").strip()
    except OSError as error:
        raise OSError(f"{path}: {error.strerror}") from None
    if not _PRINTABLE.fullmatch(text):
        raise OSError(f"{path}: {'holds no token' if text else 'is empty'}")
    return text


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        stat = path.stat()
    except OSError:
        return (str(path), 0, 0)
    return (str(path), stat.st_mtime_ns, stat.st_size)
