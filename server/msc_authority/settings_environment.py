"""Configuration from the environment: MSC_* variables, and the files that some of them name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path

ENV_PREFIX = "MSC_"
ENV_USED_ELSEWHERE = frozenset(
    {
        "MSC_TARGET",
        "MSC_URL",
        "MSC_REQUIRE_TOOLCHAINS",
        "MSC_TOKEN",
        "MSC_TOKEN_FILE",
        "MSC_TLS_CA",
        "MSC_TLS_SERVER_NAME",
        "MSC_TLS_CLIENT_CERTIFICATE",
        "MSC_TLS_CLIENT_KEY",
    }
)
TABLES = frozenset({"decision", "certificates"})
"""Keys that hold tables: they are set in the file only."""
FILE_SUFFIX = "_FILE"
SECRETS = ("database_url", "redis_url", "alert_urls")
"""Keys that may also be read from a file, named by MSC_<KEY>_FILE."""


class ConfigurationError(Exception):
    """The configuration cannot be used. The message names each key and what to do about it."""

    reason = "CONFIGURATION_INVALID"

    def __init__(self, *problems: str) -> None:
        """Takes one sentence for each problem."""
        super().__init__("; ".join(problems))
        self.problems = problems


def from_environment(environ: Mapping[str, str], names: Iterable[str]) -> dict[str, object]:
    """The values of the keys `names` that the environment has, as text. One set to nothing is not set.

    Raises:
        ConfigurationError: a variable is unknown, or the file that it names cannot be read.
    """
    keys = {ENV_PREFIX + key.upper(): key for key in names if key not in TABLES}
    files = {ENV_PREFIX + key.upper() + FILE_SUFFIX: key for key in SECRETS}
    ours = [name for name in environ if name.startswith(ENV_PREFIX) and name not in ENV_USED_ELSEWHERE]
    unknown = [name for name in ours if name not in keys and name not in files]
    if unknown:
        raise ConfigurationError(*(f"{name}: unknown variable{_hint(name, keys)}" for name in sorted(unknown)))
    given = [name for name in ours if environ[name] != ""]
    found: dict[str, object] = {keys[name]: environ[name] for name in given if name in keys}
    for name in given:
        if name in files:
            if files[name] in found:
                raise ConfigurationError(f"{name}: {name.removesuffix(FILE_SUFFIX)} is set, too; unset one of them")
            found[files[name]] = _secret_from(name, environ[name])
    return found


def _secret_from(name: str, path: str) -> str:
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise ConfigurationError(f"{name}: {path} cannot be read: {why}") from None
    if not text:
        raise ConfigurationError(f"{name}: {path} is empty")
    return text


def variable_of(key: str, environ: Mapping[str, str]) -> str:
    """The variable that `key` was read from."""
    name = ENV_PREFIX + key.upper()
    return name if environ.get(name) else name + FILE_SUFFIX


def _hint(name: str, known: Mapping[str, str]) -> str:
    for table in sorted(TABLES):
        if name.startswith(ENV_PREFIX + table.upper()):
            return f"; this is set in the [{table}] table of the configuration file"
    near = difflib.get_close_matches(name, known, n=2, cutoff=0.6)
    return f"; did you mean {' or '.join(near)}?" if near else "; unset it (msc config show lists what there is)"
