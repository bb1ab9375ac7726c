"""Where the client keeps its state."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from msc_client.role import Role

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


def default_state_dir(environment: Mapping[str, str] | None = None) -> Path:
    """Returns `client` under MSC_HOME, else under `msc` in the platform's data directory."""
    env = os.environ if environment is None else environment
    home = env.get("MSC_HOME", "").strip()
    return (Path(home).expanduser() if home else _data_dir(env) / "msc") / "client"


def state_directory(where: Path | str | None) -> Path | None:
    """Returns the directory that a host named, the platform's own for "default", None for nowhere.

    Raises:
        ValueError: an empty name.
    """
    if where is None:
        return None
    if where == "default":
        return default_state_dir()
    if not str(where).strip():
        # Path("") is the working directory, which nobody means who gives an empty setting.
        raise ValueError('state_dir: is empty; give a directory, "default", or None for nowhere')
    return Path(where)


def state_file(state_dir: Path, role: Role, name: str) -> Path:
    """Returns the file of one client: processes that share role and name share it."""
    safe = _UNSAFE.sub("_", name)
    if safe != name:
        import hashlib

        safe = f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return state_dir / f"policy-{role.value.lower()}-{safe}.json"


def _data_dir(env: Mapping[str, str]) -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    if sys.platform == "win32":
        return Path(env.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    return Path(env.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
