"""The current policy in Redis: put there by whoever read it in the database, read by whoever cannot."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    sleep_using_event,
    stop_after_attempt,
    wait_random_exponential,
)

from msc_authority.adapters.instants import text_of
from msc_authority.adapters.redis.changes import Changes
from msc_authority.adapters.redis.connecting import WAITS, Waits, connect
from msc_authority.adapters.redis.errors import cache_errors
from msc_authority.adapters.redis.layout import (
    CHANGES_KEPT,
    CONFIRMED_FIELD,
    MAX_DOCUMENT_BYTES,
    SCHEMA,
    Keys,
    fields_of,
    head_from,
    json_of,
    ref_of,
)
from msc_authority.adapters.redis.scripts import PUT
from msc_authority.adapters.redis.times import Mark, Times, Witness
from msc_authority.core.policy import Policy, PolicyRef
from msc_authority.ports.cache import Before, CachedHead, CacheError, CacheFault, Put
from msc_authority.ports.clock import Clock
from msc_authority.ports.policies import Head

_T = TypeVar("_T")

VOUCHED_FOR_S = 15.0
"""Time that a reading of the database vouches for the policy. What takes longer to arrive is not kept."""
ATTEMPTS = 3
"""How often a call is made in all when connections break."""
_LATE = b"late"


class RedisPolicyCache:
    """Implements `PolicyCache`. Blocking, and bounded in time; threads take turns."""

    def __init__(self, url: str, clock: Clock, *, prefix: str = "msc:", waits: Waits = WAITS) -> None:
        """Connects when it is first used. Raises CacheUnusable."""
        self.keys = Keys(prefix)
        self.repeated = 0
        """How many calls were made again because a connection broke."""
        self._clock = clock
        self._client = connect(url, connect_s=waits.connect_s, answer_s=waits.answer_s)
        self._script = self._client.register_script(PUT)
        listener = connect(url, connect_s=waits.connect_s, answer_s=waits.listen_s + waits.answer_s)
        self._changes = Changes(listener, self.keys.changes, wait_s=waits.listen_s)
        self._times: Times | None = None
        self._witness = Witness()
        self._turn = threading.Lock()
        self._closed = threading.Event()

    def put(self, head: Head, *, confirmed_at: float, ttl_s: float) -> Put:
        """Keeps a head that the database said at `confirmed_at`, monotonic, is the newest, for `ttl_s` at most.

        Raises:
            CacheError: it was not kept, or nobody can tell.
            ValueError: there is no policy to keep.
        """
        if head.policy is None:
            raise ValueError("before the first policy there is nothing to keep")
        expires_at = self._clock.monotonic() + ttl_s
        offer = _Offer(policy=head.policy, head=head, confirmed_at=confirmed_at, expires_at=expires_at)
        with self._turn:
            said = self._repeatedly(lambda: self._offer(offer))
            if said.left_text and not _is_ours(said.left_text):
                said = self._repeatedly(lambda: self._offer(offer, instead_of=said.left_text))
        return said.put

    def get(self) -> CachedHead | None:
        """Returns the head it has, or None.

        Raises:
            CacheError: it cannot be read, or nobody vouches for it.
        """
        with self._turn:
            return self._repeatedly(self._read)

    def listen(self, callback: Callable[[PolicyRef | None], None]) -> None:
        """Calls `callback` on a thread of its own with each ref that is put from now on; None: some may be missed."""
        self._changes.listen(callback)

    def about(self) -> str:
        """Returns what answers there, in words.

        Raises:
            CacheError: nothing does, or what takes nothing from us.
        """
        with self._turn, cache_errors():
            found = self._client.info()
        if found.get("role") == "slave":
            raise CacheError("it copies another Redis, and takes nothing from us", CacheFault.READ_ONLY)
        name = "valkey" if "valkey_version" in found else "redis"
        return f"{name.capitalize()} {found[f'{name}_version']}"

    def close(self) -> None:
        """Ends listening, and closes the connections; twice is fine."""
        self._closed.set()
        self._changes.close()
        with self._turn:
            self._client.close()

    def _repeatedly(self, call: Callable[[], _T]) -> _T:
        attempts = Retrying(
            retry=retry_if_exception(_is_broken_connection),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.02, max=0.1),
            sleep=sleep_using_event(self._closed),
            before_sleep=self._note_repeat,
            reraise=True,
        )
        result: _T = attempts(self._once, call)
        return result

    def _once(self, call: Callable[[], _T]) -> _T:
        try:
            with cache_errors():
                return call()
        except CacheError:
            # The next call may be answered by another server, with another clock.
            self._times = None
            self._client.connection_pool.disconnect()
            raise

    def _note_repeat(self, _: RetryCallState) -> None:
        self.repeated += 1

    def _offer(self, offer: _Offer, instead_of: bytes = b"") -> _Said:
        times = self._times or self._asked_times()
        said = _Said.of(self._script(keys=self.keys.all(), args=offer.arguments(times, instead_of)))
        self._times = Times(redis_ms=said.now_ms, arrived=self._clock.monotonic())
        return said

    def _asked_times(self) -> Times:
        seconds, microseconds = self._client.time()
        return Times(redis_ms=seconds * 1000 + microseconds // 1000, arrived=self._clock.monotonic())

    def _read(self) -> CachedHead | None:
        asked = self._clock.monotonic()
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.time()
            pipeline.getrange(self.keys.current, 0, MAX_DOCUMENT_BYTES)
            pipeline.hmget(self.keys.fields, ["epoch", "version", "etag", CONFIRMED_FIELD])
            (seconds, microseconds), text, fields = pipeline.execute()
        if not text:
            return None
        head = head_from(text)
        mark = _mark_of(head, fields)
        now_ms = seconds * 1000 + microseconds // 1000
        made_at = self._witness.made_at(mark, now_ms=now_ms, asked=asked) if mark is not None else None
        if made_at is None:
            raise CacheError("nobody vouches for the policy it has", CacheFault.UNREADABLE)
        return CachedHead(head=head, confirmed_at=made_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Offer:
    """A head as it is put, in our monotonic time."""

    policy: Policy
    head: Head
    confirmed_at: float
    expires_at: float

    def arguments(self, times: Times, instead_of: bytes) -> list[str | bytes | int]:
        content, ref = self.policy.content, self.policy.ref
        return [
            SCHEMA,
            ref.epoch,
            ref.version,
            self.policy.etag,
            text_of(self.head.evaluated_at) if self.head.evaluated_at else "",
            json_of(self.policy, self.head),
            times.on_redis(self.confirmed_at),
            times.on_redis(self.expires_at),
            round(VOUCHED_FOR_S * 1000),
            CHANGES_KEPT,
            MAX_DOCUMENT_BYTES,
            instead_of,
            content.risk_mode.name,
            content.trading_state.name,
            text_of(self.policy.created_at),
            *(word for field in fields_of(self.policy, self.head).items() for word in field),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What the script answered. `left_text` is what it left, unless a newer version of this program wrote that."""

    put: Put
    now_ms: int
    left_text: bytes

    @classmethod
    def of(cls, answer: list[bytes | int | list[bytes]]) -> _Said:
        before, now_ms, epoch, version, left_text, mended = answer
        if before == _LATE:
            raise CacheError("what was put took too long to arrive, and was not kept", CacheFault.SLOW)
        put = Put(
            before=Before(_text(before)),
            ref=ref_of(epoch, version),
            mended=tuple(map(_text, mended)) if isinstance(mended, list) else (),
        )
        return cls(put=put, now_ms=int(_text(now_ms)), left_text=left_text if isinstance(left_text, bytes) else b"")


def _text(value: bytes | int | list[bytes]) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _is_broken_connection(error: BaseException) -> bool:
    return isinstance(error, CacheError) and error.fault is CacheFault.LOST


def _is_ours(text: bytes) -> bool:
    try:
        head_from(text)
    except CacheError:
        return False
    return True


def _mark_of(head: Head, fields: list[bytes | None]) -> Mark | None:
    """The mark, if it is one of this head."""
    epoch, version, etag, at_ms = (value or b"" for value in fields)
    same = head.policy is not None and ref_of(epoch, version) == head.ref and etag == head.policy.etag.encode()
    return Mark(ref=head.ref, etag=_text(etag), at_ms=int(at_ms)) if same and at_ms.isdigit() else None
