"""A session, the ladder of its tiers, and an authority that behaves as a test says, told by the second."""

from __future__ import annotations

from collections.abc import Callable

from msc_client_harness import Watch, snapshot

from msc_client import ClientConfig, Policy, Ref, Role, Tier
from msc_client._events import Event, Log, OpenStream, RenewChannel, Start
from msc_client._holding import Restored
from msc_client._ladder import Ladder
from msc_client._messages import Goodbye, Heartbeat, SnapshotReason, Unchanged
from msc_client.testing import make_policy

STEP_S = 0.5
HEARTBEAT_S = 5.0
QUIET_S = 2.0

Answer = Callable[["Story"], object]


class Story:
    """Lets time pass in half seconds. `answer` is what the authority does when a watch is opened."""

    def __init__(
        self, *, config: ClientConfig | None = None, role: Role = Role.EXECUTOR, policy: Policy | None = None
    ) -> None:
        self.config = config or ClientConfig()
        self.watch = Watch(config=self.config, role=role)
        self.policy = policy or make_policy(5)
        self.answer: Answer = confirm
        self.beats = True
        self.head_confirmed_at_s: float | None = None
        """When the replica last saw the store; None: it does so all the time."""
        self.valid_until_s: float | None = None
        """When the policy's validity ends; None: it is renewed all the time."""
        self.lines: list[tuple[float, Log]] = []
        self.tiers: list[tuple[float, Tier]] = []
        self._began_ns = self.watch.clock.monotonic_ns()
        self._ladder = Ladder(self.config, now_ns=self._began_ns, quiet_until_ns=self._began_ns + round(QUIET_S * 1e9))
        self._effects_seen = 0
        self._answered = 0
        self._next_beat_s = 0.0

    @property
    def now_s(self) -> float:
        return (self.watch.clock.monotonic_ns() - self._began_ns) / 1e9

    @property
    def replica_age_s(self) -> float:
        return 0.0 if self.head_confirmed_at_s is None else self.now_s - self.head_confirmed_at_s

    @property
    def ttl_s(self) -> float:
        return 3600.0 if self.valid_until_s is None else self.valid_until_s - self.now_s

    def start(self, restored: Restored | None = None) -> Story:
        self.feed(Start(restored=restored))
        self._step()
        return self

    def feed(self, event: Event) -> None:
        self.watch.feed(event)
        self._react()

    def until(self, at_s: float) -> Story:
        """Lets time pass up to this second of the story."""
        while self.now_s < at_s:
            self.watch.advance(min(self._next_s(), at_s) - self.now_s)
            self._react()
            self._step()
        return self

    def count(self, event: str) -> int:
        return len(self.times(event))

    def times(self, event: str) -> list[float]:
        return [at_s for at_s, line in self.lines if line.event == event]

    def texts(self, event: str) -> list[str]:
        return [line.text for _, line in self.lines if line.event == event]

    def events(self, least: int) -> list[str]:
        """What was said at this level or above, in order."""
        return [line.event for _, line in self.lines if line.level >= least]

    def changes(self) -> list[tuple[float, Tier]]:
        """The instants at which a read began to return another tier."""
        first, rest = self.tiers[0], zip(self.tiers, self.tiers[1:], strict=False)
        return [first, *(now for before, now in rest if before[1] is not now[1])]

    @property
    def opened(self) -> list[OpenStream]:
        return [effect for effect in self.watch.effects if isinstance(effect, OpenStream)]

    @property
    def renewals(self) -> int:
        return sum(isinstance(effect, RenewChannel) for effect in self.watch.effects)

    def _next_s(self) -> float:
        """The next half second, or earlier when the session waits for an instant before it."""
        grid_s = (self.now_s // STEP_S + 1) * STEP_S
        due_ns = self.watch.session.next_due_ns
        due_s = grid_s if due_ns is None else (due_ns - self._began_ns) / 1e9
        return due_s if self.now_s < due_s < grid_s else grid_s

    def _react(self) -> None:
        """The authority's turn: it answers what was opened, and keeps its heartbeat on what is open."""
        self._note()
        while self._answered < len(self.opened):
            self._answered += 1
            self.answer(self)
            self._note()
        if self.beats and self.now_s >= self._next_beat_s and self.watch.state().value == "LIVE":
            self._next_beat_s = self.now_s + HEARTBEAT_S
            beat(self)
            self._note()

    def _step(self) -> None:
        now_ns = self.watch.clock.monotonic_ns()
        session = self.watch.session
        view = session.held.at(now_ns)
        said = self._ladder.observe(view, session.holding.bounds, session.last_error, now_ns)
        self.lines += [(self.now_s, line) for line in said]
        self.tiers.append((self.now_s, view.tier))

    def _note(self) -> None:
        fresh, self._effects_seen = self.watch.effects[self._effects_seen :], len(self.watch.effects)
        self.lines += [(self.now_s, effect) for effect in fresh if isinstance(effect, Log)]


def confirm(story: Story) -> None:
    """A healthy authority: a snapshot, or that nothing changed."""
    known = story.opened[-1].known
    event = Unchanged() if story.policy.ref.same_as(known) else snapshot(story.policy)
    story.watch.say(
        event, head=story.policy.ref, replica_age_s=story.replica_age_s, ttl_s=story.ttl_s, heartbeat_s=HEARTBEAT_S
    )


def beat(story: Story) -> None:
    """A heartbeat on the stream that is read, with the ages of this moment."""
    story.watch.say(
        Heartbeat(),
        head=story.policy.ref,
        replica_age_s=story.replica_age_s,
        ttl_s=story.ttl_s,
        stream=story.watch.session.open_streams[0],
    )


def silence(story: Story) -> None:
    """Packets are dropped, or the process behind the socket is frozen: nothing comes, not even an end."""


def ending(code: str, detail: str = "", *, reason: str = "", retry_after_s: float | None = None) -> Answer:
    """An authority that ends each watch at once."""
    return lambda story: story.watch.end(code, detail, reason=reason, retry_after_s=retry_after_s)


def publish(story: Story, policy: Policy, reason: SnapshotReason = SnapshotReason.UPDATE) -> None:
    """A new policy on the open stream; heartbeats name it from now on."""
    story.policy = policy
    story.watch.say(
        snapshot(policy, reason),
        head=policy.ref,
        replica_age_s=story.replica_age_s,
        ttl_s=story.ttl_s,
        stream=story.watch.session.open_streams[0],
    )


def farewell(story: Story, reconnect_after_s: float = 5.0) -> None:
    """A replica that drains."""
    head: Ref = story.policy.ref
    story.watch.say(Goodbye(reason="DRAINING", reconnect_after_s=reconnect_after_s), head=head)
