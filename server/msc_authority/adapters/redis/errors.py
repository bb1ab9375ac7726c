"""Driver errors end here: what Redis complained of, in our words, with what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from redis import exceptions

from msc_authority.ports.cache import CacheError, CacheFault


@dataclass(frozen=True, slots=True)
class _Case:
    """By what an answer is known, in the driver's classes or in Redis' words, for scripts hand on the words only."""

    words: str
    fault: CacheFault
    advice: str = ""


_CASES = (
    _Case(r"TimeoutError", CacheFault.SLOW),
    _Case(r"Authentication|NOAUTH|WRONGPASS", CacheFault.DENIED, "check user and password in redis_url"),
    _Case(
        r"NoPermission|NOPERM|ACL failure|no permissions",
        CacheFault.DENIED,
        "give its user the commands and keys that the README of adapters/redis lists",
    ),
    _Case(r"ReadOnly|READONLY", CacheFault.READ_ONLY, "redis_url has to lead to the primary"),
    _Case(r"BusyLoading|LOADING|MasterDown|MASTERDOWN", CacheFault.LOADING),
    _Case(r"OutOfMemory|\bOOM\b|MISCONF", CacheFault.FULL, "give Redis room, or have it evict what others keep there"),
    _Case(r"WRONGTYPE", CacheFault.UNREADABLE, "another program uses a key of ours"),
    _Case(
        r"Moved|MOVED|CrossSlot|CROSSSLOT|ClusterDown", CacheFault.REFUSED, "a cluster needs redis_key_prefix {msc}:"
    ),
    _Case(r"ConnectionError", CacheFault.LOST),
)
_OTHER = _Case("", CacheFault.REFUSED)
_VERBS = {
    CacheFault.LOST: "cannot be reached",
    CacheFault.SLOW: "does not answer in time",
    CacheFault.DENIED: "denies it",
    CacheFault.READ_ONLY: "only copies another",
    CacheFault.LOADING: "is not ready",
    CacheFault.FULL: "is full",
    CacheFault.UNREADABLE: "has what cannot be read",
    CacheFault.REFUSED: "refuses",
}


@contextmanager
def cache_errors() -> Iterator[None]:
    """Raises errors of the driver as CacheError."""
    try:
        yield
    except exceptions.RedisError as error:
        raise _translated(error) from error
    except OSError as error:
        raise CacheError(f"Redis {_VERBS[CacheFault.LOST]}: {error}", CacheFault.LOST) from error


def _translated(error: exceptions.RedisError) -> CacheError:
    says, kind = str(error), type(error).__name__
    case = next((case for case in _CASES if re.search(case.words, f"{kind} {says}")), _OTHER)
    advice = f"; {case.advice}" if case.advice else ""
    return CacheError(f"Redis {_VERBS[case.fault]}: {says or kind}{advice}", case.fault)
