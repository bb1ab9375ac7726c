"""Driver errors end here: what Redis complained of, in our words, with what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from redis import exceptions

from msc_authority.ports_cache import CacheError, CacheFault


@dataclass(frozen=True, slots=True)
class _Case:
    """Words by which an answer of Redis is known, also inside what a script says, and what follows from it."""

    words: str
    fault: CacheFault
    advice: str


_CASES = (
    _Case(
        r"NOAUTH|WRONGPASS|invalid username-password|invalid password|without any password",
        CacheFault.DENIED,
        "check user and password in redis_url",
    ),
    _Case(r"NOPERM|no permissions", CacheFault.DENIED, "give its user the commands and keys that the README lists"),
    _Case(r"READONLY", CacheFault.READ_ONLY, "redis_url has to lead to the primary"),
    _Case(r"LOADING|MASTERDOWN", CacheFault.LOADING, ""),
    _Case(r"\bOOM\b|MISCONF", CacheFault.FULL, "give Redis more memory, or have it evict what others keep there"),
    _Case(r"MOVED|CROSSSLOT|CLUSTERDOWN", CacheFault.REFUSED, "in a cluster, redis_key_prefix has to be like {msc}:"),
)


@contextmanager
def cache_errors() -> Iterator[None]:
    """Raises errors of the driver as CacheError."""
    try:
        yield
    except exceptions.RedisError as error:
        raise _translated(error) from error
    except OSError as error:
        raise CacheError(f"Redis cannot be reached: {error}", CacheFault.LOST) from error


def _translated(error: exceptions.RedisError) -> CacheError:
    says = str(error) or type(error).__name__
    if isinstance(error, exceptions.TimeoutError):
        return CacheError(f"Redis did not answer in time: {says}", CacheFault.SLOW)
    case = next((case for case in _CASES if re.search(case.words, says)), None)
    if case is not None:
        advice = f"; {case.advice}" if case.advice else ""
        return CacheError(f"Redis refuses: {says}{advice}", case.fault)
    if isinstance(error, exceptions.AuthenticationError):
        return CacheError(f"Redis refuses: {says}; check user and password in redis_url", CacheFault.DENIED)
    if isinstance(error, exceptions.ConnectionError):
        return CacheError(f"Redis cannot be reached: {says}", CacheFault.LOST)
    return CacheError(f"Redis refuses: {says}", CacheFault.REFUSED)
