"""Does what a person says, at once: needs the head and the controller's state, and no evaluation that works."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from msc_authority.app.acts import (
    Act,
    Halt,
    Lift,
    Place,
    Reinstate,
    Resume,
    Retire,
    RollBack,
    detail_of,
    kind_of,
    may_loosen,
    target_of,
)
from msc_authority.app.ledger import read_ledger
from msc_authority.app.patience import Patience
from msc_authority.core import operator_acts as acts
from msc_authority.core.codec import StateMismatch
from msc_authority.core.config import DecisionConfig
from msc_authority.core.effective import Effective
from msc_authority.core.ledger import Ledger
from msc_authority.core.operator_acts import ActRefused, Done, Instruction
from msc_authority.core.operator_policy import allowed_by_controller, content_by_person, permission_of
from msc_authority.core.overrides import Override, Rollback
from msc_authority.core.overriding import expired, in_force, of_lineage
from msc_authority.core.policy import PolicyContent, PolicyRef, Reason, TradingState, changes_between, effective_part
from msc_authority.core.state import ControllerState
from msc_authority.ports.clock import Clock
from msc_authority.ports.evaluations import EvaluationStore, StoredState
from msc_authority.ports.journal import Journal
from msc_authority.ports.operator import ActEntry, ActLog, Credential, OverrideCommit
from msc_authority.ports.policies import Head, PolicyStore
from msc_authority.ports.store import StaleState

_log = logging.getLogger(__name__)

REQUEST_MEMORY = timedelta(hours=24)
EXPIRE = "EXPIRE"
"""The kind of act by which the authority itself ends overrides whose time is over."""
AUTHORITY = "authority"
"""Who does what no person has asked for."""
_ATTEMPTS = 5
_ID_CHARS = 8


class RevisionUnknown(ActRefused):
    """There is no such version in this epoch."""


class LedgerUnreadable(ActRefused):
    """A halt cannot be ended now: the drawdown is measured anew at that, and the journal cannot be read."""


class StateUnreadable(ActRefused):
    """The controller's stored state cannot be read; nothing can be done but to halt."""


class RequestIdReused(ActRefused):
    """The request id has done something else before."""


class Overtaken(ActRefused):
    """Another person acted meanwhile; what would loosen something is not done behind their back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActOutcome:
    """What an act came to. `before` is the head it was done to; None: it was done earlier, under the same request id.

    `override` is the one that was put in force, `overrides` are all that are. `content` is what the policy says
    afterwards; in a preview what it would say, and `entry.changes` are those there would be.
    """

    entry: ActEntry
    summary: str
    before: PolicyRef | None
    head: Head
    content: PolicyContent | None
    override: Override | None
    overrides: tuple[Override, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    act: Act
    actor: str
    reason: str
    request_id: str = ""
    credential: Credential | None = None
    patience: Patience | None = None

    def check(self) -> None:
        # Reducing is always allowed: what cannot loosen is done whoever still waits for it.
        if self.patience is not None and may_loosen(self.act):
            self.patience.check()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """`content` is what the policy would say, published or not."""

    commit: OverrideCommit
    content: PolicyContent
    done: Done


class Operator:
    """Does acts, each in one commit. Blocking; threads may share it."""

    def __init__(
        self,
        *,
        store: EvaluationStore,
        policies: PolicyStore,
        journal: Journal,
        log: ActLog,
        clock: Clock,
        config: DecisionConfig,
        valid_for_s: float,
        new_id: Callable[[], str],
    ) -> None:
        """Takes what it works on; `valid_for_s` is how long a decision stays valid without a new evaluation."""
        self._store, self._policies, self._journal, self._log = store, policies, journal, log
        self._clock, self._config, self._valid_for_s, self._new_id = clock, config, valid_for_s, new_id

    def act(
        self,
        act: Act,
        actor: str,
        reason: str,
        request_id: str = "",
        credential: Credential | None = None,
        patience: Patience | None = None,
    ) -> ActOutcome:
        """Does it, and returns what became of it. A `request_id` known for less than 24 h does nothing anew.

        `credential` is what `actor` is known by, for the audit log. What may loosen something is committed only while
        `patience` lasts; None: it lasts.

        Raises:
            ActRefused: it cannot be done; its kinds say why. Nothing has changed.
            StaleState: others were writing all the time.
            StoreUnavailable: the store cannot be reached.
        """
        asked = _Asked(
            act=act, actor=actor, reason=reason, request_id=request_id, credential=credential, patience=patience
        )
        return self._committed(asked, may_overtake=not may_loosen(act))

    def preview(self, act: Act, actor: str, reason: str) -> ActOutcome:
        """Says what it would come to. Writes nothing. Raises as `act` does."""
        asked = _Asked(act=act, actor=actor, reason=reason)
        stored = self._store.load()
        return self._outcome(self._plan(asked, stored), stored, stored.head)

    def overrides(self) -> tuple[Override, ...]:
        """Returns those in force now, the oldest first. Raises StoreError, StateUnreadable."""
        now = self._clock.now()
        return in_force(self._state(self._store.controller().payload, now).overrides, now)

    def expire(self) -> ActOutcome | None:
        """Ends the overrides whose time is over, also where no evaluation does; None: there are none.

        Raises:
            StateUnreadable: nobody knows which overrides there are.
            StoreError: the store did not do it.
        """
        for _ in range(_ATTEMPTS):
            stored, now = self._store.load(), self._clock.now()
            state = self._state(stored.controller, now)
            over = expired(state.overrides, now)
            if not over:
                return None
            text = "; ".join(f"{one.kind} {one.override_id} of {one.actor}" for one in over)
            because = Reason(code="OPERATOR_EXPIRE", text=f"expired: {text}")
            entry = self._entry(EXPIRE, "overrides", now, actor=AUTHORITY, reason=because.text)
            plan = self._planned(entry, Done(state=state, because=because), stored, over)
            try:
                return self._outcome(plan, stored, self._store.commit_override(plan.commit, stored))
            except StaleState:
                continue
        raise StaleState("others were writing all the time")

    def _committed(self, asked: _Asked, *, may_overtake: bool) -> ActOutcome:
        found: int | None = None
        for attempt in range(1, _ATTEMPTS + 1):
            # In this order: an act that is committed behind this is found as stale, one before it by its request.
            stored = self._store.load()
            if known := self._known(asked, stored):
                return known
            newest = self._newest()
            if found is not None and newest != found and not may_overtake:
                raise Overtaken("another person acted at the same time; look at what is in force, and act again")
            found = newest
            plan = self._plan(asked, stored)
            asked.check()
            try:
                # Looked at again as the last thing before it counts: each step of a slow store may take long.
                head = self._store.commit_override(plan.commit, stored, asked.check)
            except StaleState:
                if attempt == _ATTEMPTS:
                    raise
                continue
            return self._outcome(plan, stored, head)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _known(self, asked: _Asked, stored: StoredState) -> ActOutcome | None:
        if not asked.request_id:
            return None
        now = self._clock.now()
        entry = self._log.by_request(asked.request_id, now - REQUEST_MEMORY)
        if entry is None:
            return None
        if entry.act != kind_of(asked.act) or not detail_of(asked.act).items() <= entry.detail.items():
            raise RequestIdReused(f"request_id: {asked.request_id} has done {entry.act} before; use another one")
        overrides = in_force(self._state(stored.controller, now).overrides, now)
        return ActOutcome(
            entry=entry,
            summary=f"{entry.act} of {entry.target} by {entry.actor}: {entry.reason}",
            before=None,
            head=stored.head,
            content=stored.head.policy.content if stored.head.policy else None,
            override=next((one for one in overrides if one.override_id == entry.override_id), None),
            overrides=overrides,
        )

    def _newest(self) -> int:
        newest = self._log.page(None, 1)
        return newest[0].sequence if newest else 0

    def _plan(self, asked: _Asked, stored: StoredState) -> _Plan:
        now, act = self._clock.now(), asked.act
        try:
            state = self._state(stored.controller, now)
            lost = None
        except StateUnreadable:
            if not isinstance(act, Halt):
                raise
            state, lost = self._fresh_state(stored, now), stored.controller
        over = expired(state.overrides, now)
        state = replace(state, overrides=in_force(state.overrides, now))
        said = Instruction(actor=asked.actor, reason=asked.reason, now=now, override_id=self._free_id(state))
        done = self._done(act, state, said, stored)
        entry = self._entry(
            kind_of(act),
            target_of(act),
            now,
            actor=asked.actor,
            reason=asked.reason,
            request_id=asked.request_id,
            detail=detail_of(act) if lost is None else {"unreadable_state": base64.b64encode(lost).decode()},
            override_id=done.placed.override_id if done.placed else "",
        )
        return self._planned(entry, done, stored, over, asked.credential)

    def _done(self, act: Act, state: ControllerState, said: Instruction, stored: StoredState) -> Done:
        match act:
            case Halt():
                return acts.halted(state, said)
            case Resume():
                return acts.resumed(state, said, self._ledger_for(state, stored, said.now))
            case Place() | RollBack():
                sets = act.sets if isinstance(act, Place) else self._rollback(act.version)
                allowed = self._allowed(state, stored.head)
                return acts.placed(state, said, allowed, sets, act.lasts, loosens=act.loosens)
            case Lift():
                return acts.lifted(state, said, act.override_id)
            case Retire():
                return acts.retired(state, said, act.strategy_id)
            case Reinstate():
                return acts.reinstated(state, said, act.strategy_id)

    def _planned(
        self,
        entry: ActEntry,
        done: Done,
        stored: StoredState,
        over: tuple[Override, ...],
        credential: Credential | None = None,
    ) -> _Plan:
        now, head = entry.at, stored.head
        state = replace(done.state, overrides=in_force(done.state.overrides, now))
        before = head.policy.content if head.policy else None
        content = content_by_person(
            self._allowed(state, head),
            state,
            before,
            self._config.modes,
            now,
            because=done.because,
            author=AUTHORITY if entry.act == EXPIRE else f"operator:{entry.actor}",
        )
        content = of_lineage(content, state.overrides, head.ref.epoch)
        is_new = before is None or effective_part(before) != effective_part(content)
        commit = OverrideCommit(
            entry=replace(entry, changes=changes_between(before, content)),
            publish=content if is_new else None,
            valid_for_s=self._valid_for_s,
            controller=state.encode(),
            credential=credential,
            transitions=done.transitions,
            expired=over,
        )
        return _Plan(commit=commit, content=content, done=replace(done, state=state))

    def _allowed(self, state: ControllerState, head: Head) -> Effective:
        # What an evaluation of another lineage allowed, before a restore, is not what is allowed in this one.
        return allowed_by_controller(state, self._config.modes, evaluated=head.evaluated_at is not None)

    def _rollback(self, version: int) -> Rollback:
        policy = self._policies.revision(version)
        if policy is None:
            raise RevisionUnknown(f"there is no version {version} in this epoch")
        return Rollback(revision=policy.ref, permission=permission_of(policy.content))

    def _ledger_for(self, state: ControllerState, stored: StoredState, now: datetime) -> Ledger | None:
        if state.trading_state is not TradingState.HALTED:
            return None
        try:
            return read_ledger(
                checkpoint=stored.checkpoint, store=self._store, journal=self._journal, config=self._config, as_of=now
            ).ledger
        except Exception as error:
            _log.exception("Trading cannot be resumed: the journal cannot be read")
            raise LedgerUnreadable(
                "trading stays HALTED: at a resume the drawdown is measured anew, and the journal cannot be read now; "
                "the authority's log says why"
            ) from error

    def _state(self, payload: bytes | None, now: datetime) -> ControllerState:
        if payload is None:
            return ControllerState.initial(now)
        try:
            return ControllerState.decode(payload)
        except StateMismatch as error:
            raise StateUnreadable(f"the controller's state cannot be read ({error}); only HALT can be done") from error

    def _fresh_state(self, stored: StoredState, now: datetime) -> ControllerState:
        _log.critical(
            "The controller's state cannot be read: halting from a fresh one. Retire again who was retired before "
            "trading is resumed; what could not be read is in the history of acts"
        )
        policy = stored.head.policy
        effective = permission_of(policy.content) if policy else None
        return replace(ControllerState.initial(now), effective=effective)

    def _entry(
        self,
        act: str,
        target: str,
        now: datetime,
        *,
        actor: str,
        reason: str,
        request_id: str = "",
        detail: dict[str, object] | None = None,
        override_id: str = "",
    ) -> ActEntry:
        return ActEntry(
            act_id=self._new_id(),
            act=act,
            target=target,
            at=now,
            actor=actor,
            reason=reason,
            request_id=request_id,
            detail=detail or {},
            override_id=override_id,
        )

    def _free_id(self, state: ControllerState) -> str:
        taken = {one.override_id for one in state.overrides}
        while True:
            override_id = self._new_id()[:_ID_CHARS]
            if override_id not in taken:
                return override_id

    def _outcome(self, plan: _Plan, stored: StoredState, head: Head) -> ActOutcome:
        stays = plan.commit.publish is None and head.policy is not None
        return ActOutcome(
            entry=replace(plan.commit.entry, committed=head.ref if head.ref != stored.head.ref else None),
            summary=plan.done.because.text,
            before=stored.head.ref,
            head=head,
            content=head.policy.content if stays and head.policy else plan.content,
            override=plan.done.placed,
            overrides=plan.done.state.overrides,
        )
