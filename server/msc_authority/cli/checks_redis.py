"""What `msc doctor` finds out about Redis. It writes nothing there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msc_authority.app.events import name_of
from msc_authority.cli.checks import Finding, Outcome
from msc_authority.masking import mask_text
from msc_authority.ports.cache import CacheError, CacheFault, CacheUnusable

if TYPE_CHECKING:
    from msc_authority.adapters.redis.cache import RedisPolicyCache
    from msc_authority.ports.clock import Clock
    from msc_authority.settings import Settings

CHECK = "redis"
_ADVICE = {
    CacheFault.DENIED: "check user and password in redis_url, and what that user may do",
    CacheFault.READ_ONLY: "have redis_url lead to the primary",
    CacheFault.LOADING: "wait until it has loaded",
}


def redis_finding(settings: Settings, clock: Clock) -> Finding:
    """Returns whether Redis answers, and what policy it has."""
    from msc_authority.adapters.redis.opening import open_cache

    if settings.redis_url is None:
        detail = "off: redis_url is not set, so authorities hear of each other by the database alone"
        return Finding(check=CHECK, outcome=Outcome.OK, detail=detail)
    where = mask_text(settings.redis_url)
    try:
        cache = open_cache(settings.redis_url, clock, prefix=settings.redis_key_prefix)
    except CacheUnusable as error:
        return Finding(check=CHECK, outcome=Outcome.FAIL, detail=str(error), advice="install it, or unset redis_url")
    try:
        return Finding(check=CHECK, outcome=Outcome.OK, detail=f"{cache.about()} at {where} {_policy(cache, clock)}")
    except CacheError as error:
        return _unwell(where, error)
    finally:
        cache.close()


def _policy(cache: RedisPolicyCache, clock: Clock) -> str:
    found = cache.get()
    if found is None:
        return "has no policy yet"
    age_s = clock.monotonic() - found.confirmed_at
    return f"has policy {name_of(found.head.ref)}, confirmed by the database {age_s:.1f} s ago"


def _unwell(where: str, error: CacheError) -> Finding:
    detail = mask_text(f"{where}: {error}")
    if error.fault is CacheFault.UNREADABLE:
        advice = "a running authority overwrites it; if it stays, another program uses the key"
        return Finding(check=CHECK, outcome=Outcome.WARN, detail=detail, advice=advice)
    advice = _ADVICE.get(error.fault, "check redis_url, and that its server runs; without it, the database is enough")
    return Finding(check=CHECK, outcome=Outcome.FAIL, detail=detail, advice=advice)
