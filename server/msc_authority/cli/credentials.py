"""What commands show to an authority: a token and certificates, from options or MSC_* variables."""

from __future__ import annotations

import ssl
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from msc_authority.cli.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from msc_authority.rpc.dialing import Credentials

TokenFileOption = Annotated[
    Path | None,
    typer.Option(
        "--token-file", envvar="MSC_TOKEN_FILE", metavar="FILE", help="File with a token.", show_default=False
    ),
]
CaOption = Annotated[
    Path | None,
    typer.Option(
        "--tls-ca", envvar="MSC_TLS_CA", metavar="FILE", help="CA of the authority: speak TLS.", show_default=False
    ),
]
CertificateOption = Annotated[
    Path | None,
    typer.Option(
        "--tls-certificate",
        envvar="MSC_TLS_CLIENT_CERTIFICATE",
        metavar="FILE",
        help="Certificate to show.",
        show_default=False,
    ),
]
KeyOption = Annotated[
    Path | None,
    typer.Option("--tls-key", envvar="MSC_TLS_CLIENT_KEY", metavar="FILE", help="Its key.", show_default=False),
]
ServerNameOption = Annotated[
    str,
    typer.Option(
        "--tls-server-name",
        envvar="MSC_TLS_SERVER_NAME",
        metavar="NAME",
        help="Name in the authority's certificate, where it is not that of the target.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where credentials come from. MSC_TOKEN holds a token itself."""

    token_file: Path | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str = ""


_NOTHING = Sources()
sources: ContextVar[Sources] = ContextVar("sources", default=_NOTHING)
"""What this command was given."""


def credentials() -> Credentials:
    """What to show to an authority.

    Raises:
        CommandError: a file cannot be read, or what was given contradicts itself.
    """
    import os

    from msc_authority.rpc.dialing import Credentials

    given, token = sources.get(), os.environ.get("MSC_TOKEN", "").strip()
    if token and given.token_file is not None:
        raise _wrong("MSC_TOKEN and the file of a token are both given", "unset one of MSC_TOKEN and MSC_TOKEN_FILE")
    if (given.certificate is None) is not (given.key is None):
        raise _wrong("a certificate and its key go together", "give both --tls-certificate and --tls-key")
    return Credentials(
        token=_token(given.token_file) if given.token_file is not None else _checked(token, "MSC_TOKEN"),
        ca=_content(given.ca),
        certificate=_content(given.certificate),
        key=_content(given.key),
        server_name=given.server_name,
    )


def ssl_context() -> ssl.SSLContext | None:
    """What to speak TLS over HTTP with; None: what the system trusts, and nothing to show. Raises CommandError."""
    given = sources.get()
    if given.ca is None and given.certificate is None:
        return None
    try:
        context = ssl.create_default_context(cafile=given.ca)
        if given.certificate is not None:
            context.load_cert_chain(given.certificate, given.key, password="")
    except (ssl.SSLError, OSError) as error:
        why = error.strerror or error
        raise _wrong(f"the certificates cannot be used: {why}", "check the --tls options") from error
    return context


def _token(path: Path) -> str:
    content = _content(path) or b""
    return _checked(content.decode("ascii", errors="replace").strip(), str(path))


def _checked(token: str, where: str) -> str:
    # What is no token may be one with a slip of the pen: it is not repeated.
    if not all("!" <= char <= "~" for char in token):
        raise _wrong(f"{where} holds no token", "msc token create makes one")
    return token


def _content(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        content = path.expanduser().read_bytes()
    except OSError as error:
        raise _wrong(f"{path}: {error.strerror}", "check the options and MSC_* variables") from error
    if not content.strip():
        raise _wrong(f"{path}: is empty", "check the options and MSC_* variables")
    return content


def _wrong(message: str, advice: str) -> CommandError:
    return CommandError(message, advice=advice, code=ExitCode.USAGE, reason="CREDENTIALS")
