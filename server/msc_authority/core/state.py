"""What the controller remembers between evaluations, so that a restart forgets nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from msc_authority.core import codec
from msc_authority.core.effective import Effective
from msc_authority.core.equity import EPOCH
from msc_authority.core.high_water import HighWaterMark
from msc_authority.core.hysteresis import ModeState
from msc_authority.core.overrides import Override, OverrideKind
from msc_authority.core.policy import Reason, RiskMode, TradingState
from msc_authority.core.strategies.lifecycle import StrategyLives

_FORMATS = (1, 2)
"""2: there are overrides. A program that knows only 1 refuses such a state, rather than forget what it is held by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerState:
    """State after an evaluation. `changes` are the instants of risk-increasing changes within the window.

    `hard_mark` is the high-water mark since the last reset by a person, `rebase_mark` the one since the drawdown was
    last measured anew (None: never). `effective` is what the last evaluation let traders do (None: there was none);
    `overrides` stand between that and what is published. `halted_because` is set when a person has halted trading.
    """

    mode: ModeState
    trading_state: TradingState = TradingState.ACTIVE
    changes: tuple[datetime, ...] = ()
    hard_mark: HighWaterMark = field(default_factory=lambda: HighWaterMark(since=EPOCH))
    rebase_mark: HighWaterMark | None = None
    effective: Effective | None = None
    evaluated_at: datetime | None = None
    lives: StrategyLives = field(default_factory=StrategyLives)
    overrides: tuple[Override, ...] = ()
    halted_because: Reason | None = None

    @classmethod
    def initial(cls, as_of: datetime) -> ControllerState:
        """Returns the state before the first evaluation: DEFENSIVE since `as_of`, nobody known."""
        return cls(mode=ModeState(mode=RiskMode.DEFENSIVE, since=as_of))

    @property
    def trading_is_on(self) -> bool:
        """Whether anybody was let open positions lately: only then silence is suspicious."""
        last = self.effective
        if last is None or any(one.kind is OverrideKind.REDUCE for one in self.overrides):
            return False
        return last.trading_state is TradingState.ACTIVE and bool(last.grants)

    def encode(self) -> bytes:
        """Returns the state as canonical bytes."""
        rebase = self.rebase_mark
        return codec.to_bytes(
            {
                **self._by_persons(),
                "changes": [codec.instant_text(at) for at in self.changes],
                "effective": None if self.effective is None else self.effective.encode(),
                "evaluated_at": codec.instant_text(self.evaluated_at),
                "format": 2 if self.overrides else 1,
                "hard_mark": self.hard_mark.encode(),
                "lives": self.lives.encode(),
                "mode": [self.mode.mode.name, codec.instant_text(self.mode.since), self.mode.streak],
                "rebase_mark": None if rebase is None else rebase.encode(),
                "trading_state": self.trading_state.name,
            }
        )

    def _by_persons(self) -> dict[str, object]:
        # Only where there is something: states of before read the same.
        document: dict[str, object] = {}
        if self.overrides:
            document["overrides"] = [one.encode() for one in self.overrides]
        if self.halted_because is not None:
            document["halted_because"] = [self.halted_because.code, self.halted_because.text]
        return document

    @classmethod
    def decode(cls, payload: bytes) -> ControllerState:
        """Returns the state that `encode` wrote.

        Raises:
            StateMismatch: not such bytes.
        """
        stored = codec.from_bytes(payload, kind="controller")
        if stored.get("format", codec.integer) not in _FORMATS:
            stored.expect("format", _FORMATS[-1])
        return cls(
            mode=stored.get("mode", _mode),
            trading_state=stored.get("trading_state", lambda value: TradingState[codec.text(value)]),
            changes=tuple(stored.items("changes", codec.instant)),
            hard_mark=stored.get("hard_mark", HighWaterMark.decode),
            rebase_mark=stored.maybe("rebase_mark", HighWaterMark.decode),
            effective=stored.maybe("effective", Effective.decode),
            evaluated_at=stored.maybe("evaluated_at", codec.instant),
            lives=stored.get("lives", lambda value: StrategyLives.decode(codec.mapping(value))),
            overrides=stored.maybe("overrides", _overrides) or (),
            halted_because=stored.maybe("halted_because", _halted_because),
        )


def _mode(value: object) -> ModeState:
    mode, since, streak = codec.row(value, 3)
    return ModeState(mode=RiskMode[codec.text(mode)], since=codec.instant(since), streak=codec.integer(streak))


def _overrides(value: object) -> tuple[Override, ...]:
    return tuple(map(Override.decode, codec.listed(value)))


def _halted_because(value: object) -> Reason:
    code, text = codec.row(value, 2)
    return Reason(code=codec.text(code), text=codec.text(text))
