"""The way in: loads the driver where Redis is configured only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msc_authority.ports.cache import CacheUnusable

if TYPE_CHECKING:
    from msc_authority.adapters.redis.cache import RedisPolicyCache
    from msc_authority.ports.clock import Clock


def open_cache(url: str, clock: Clock, *, prefix: str) -> RedisPolicyCache:
    """Returns the cache in the Redis at `url`, under keys that begin with `prefix`. Connects when it is first used.

    Raises:
        CacheUnusable: the driver is not installed, or cannot read the URL.
    """
    try:
        from msc_authority.adapters.redis.cache import RedisPolicyCache
    except ImportError as error:
        raise CacheUnusable(
            f"redis_url needs redis-py, which is not installed ({error}): "
            "pip install 'meta-strategy-controller[authority,redis]'"
        ) from error
    return RedisPolicyCache(url, clock, prefix=prefix)
