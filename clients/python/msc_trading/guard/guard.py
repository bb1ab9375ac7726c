"""The risk guard of one account, inside one process: nobody sends an order that it did not grant."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final

from msc_client.facts import Execution
from msc_client.view import PolicyView
from msc_trading.guard.books import Books
from msc_trading.guard.capacity import Usage, capacity_denial, fits
from msc_trading.guard.case import Case, Denial, Latch
from msc_trading.guard.checks import first_denial, reduce_denial
from msc_trading.guard.config import GuardConfig
from msc_trading.guard.decision import Decision
from msc_trading.guard.facts import GuardFacts
from msc_trading.guard.intent import OrderIntent
from msc_trading.guard.lanes import entry_lane_denial
from msc_trading.guard.limits import InForce, Policies, PolicyMemory
from msc_trading.guard.lines import GuardLines
from msc_trading.guard.reasons import ReasonCode
from msc_trading.guard.reservations import OrderEvent, Reservation, ReservationState, adopted
from msc_trading.guard.shape import shape_problem
from msc_trading.guard.swift import passes
from msc_trading.guard.terms import Tables
from msc_trading.guard.verdict import decide, grant
from msc_trading.venue.port import Fill, OrderState

_ZERO: Final = Decimal(0)


class RiskGuard:
    """Judges every order of one account, and keeps what it granted until the confirmed positions hold it.

    `policies` is the policy source that the views come from; it is read once more at the instant of a grant.
    `instance_id` is new for each start, so that decision ids never repeat. `latched` are latches of before the start;
    `on_latch` is told all of them whenever one is thrown or cleared, so that the host keeps them (see `LatchFile`).
    Safe for threads. It does no I/O, and waits for nothing but its own lock.

    The facts of a decision must be taken after the last `settled` of their host: what is settled counts no more.
    """

    def __init__(
        self,
        *,
        account_id: str,
        config: GuardConfig,
        policies: Policies,
        instance_id: str,
        latched: Iterable[Latch] = (),
        on_latch: Callable[[frozenset[Latch]], None] | None = None,
    ) -> None:
        self._account_id = account_id
        self._config = config
        self._policies = policies
        self._instance_id = instance_id
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._memory = PolicyMemory()
        self._books = Books(account_id, config)
        self._tables = Tables(config, account_id)
        self._latches = frozenset(latched)
        self._on_latch = on_latch
        self._decisions: dict[str, Decision] = {}
        # Beside the dict: one that loses its oldest again and again looks for it ever longer.
        self._oldest_first: deque[str] = deque()
        self._lines = GuardLines()

    def authorize(self, intent: OrderIntent, view: PolicyView, facts: GuardFacts) -> Decision:
        """Returns whether the order may be sent, and everything that was looked at. What it grants is reserved.

        The same client order id with the same order returns the same decision, and reserves nothing more.
        """
        started_ns = self._policies.now_ns()
        in_force = self._memory.recall(view) or self._take_in(view)
        case = Case(intent, facts, in_force, self._config, self._latches, started_ns)
        granted = self._grant_at_once(case) if passes(case, self._tables) else None
        return granted or self._judge(Case(intent, facts, in_force, self._config, self._latches, started_ns))

    def _grant_at_once(self, case: Case) -> Decision | None:
        """Reserves for an entry that passes what needs no counting. None: there is more to say, or less to give."""
        id_ = case.intent.client_order_id
        with self._lock:
            if self._policies.current() is not case.in_force.view or self._latches is not case.latches:
                return None
            if id_ in self._decisions or self._books.ledger.get(id_) is not None:
                return None
            usage = self._books.usage(case)
            if not fits(case, usage):
                return None
            decision_id = self._next_id()
            reservation = self._books.reserve_entry(case, f"r-{decision_id}")
            decision = grant(case, decision_id, usage, reservation, self._policies.now_ns())
            self._remember(decision)
            return decision

    def _judge(self, case: Case) -> Decision:
        """Asks one check after the other, and writes down what it found."""
        intent = case.intent
        problem = shape_problem(intent, case.facts, self._account_id)
        case.rows.append(("shape", problem or "sound", "sound", problem is None))
        if problem is not None:
            decision = self._conclude(case, Denial(ReasonCode.INVALID_INPUT, problem), remember=False)
        elif intent.only_reduces:
            decision = self._judge_reduce(case)
        else:
            decision = self._judge_entry(case)
        self._lines.follow(self._memory.known)
        self._lines.say(decision)
        return decision

    def sent(self, client_order_id: str) -> ReservationState | None:
        """Notes that the request is about to leave. Call it before the first byte does."""
        return self._apply(client_order_id, OrderEvent.SENT)

    def bind(self, client_order_id: str, order_id: str) -> ReservationState | None:
        """Notes that the venue has accepted the order: it is one of the day's trades from now on."""
        return self._apply(client_order_id, OrderEvent.BOUND, order_id=order_id)

    def filled(self, client_order_id: str, filled_quantity: Decimal) -> ReservationState | None:
        """Notes how much of the order has filled in all. It counts until it is `settled`."""
        with self._lock:
            order = self._books.ledger.get(client_order_id)
            if order is None:
                return None
            whole = filled_quantity >= order.quantity
            event = OrderEvent.FILLED if whole else OrderEvent.FILLED_IN_PART
            return self._apply_held(client_order_id, event, filled=filled_quantity)

    def rejected(self, client_order_id: str) -> ReservationState | None:
        """Notes that the venue has refused the order: the reservation ends, and the day's trade is given back."""
        return self._apply(client_order_id, OrderEvent.REJECTED)

    def ended(self, client_order_id: str, filled_quantity: Decimal = _ZERO) -> ReservationState | None:
        """Notes that the order was cancelled or has expired. What filled before counts until it is `settled`."""
        with self._lock:
            if filled_quantity > 0:
                self._apply_held(client_order_id, OrderEvent.FILLED_IN_PART, filled=filled_quantity)
            return self._apply_held(client_order_id, OrderEvent.ENDED, filled=filled_quantity)

    def unknown(self, client_order_id: str) -> ReservationState | None:
        """Notes that nobody knows whether the venue has the order. It counts until that is known."""
        return self._apply(client_order_id, OrderEvent.LOST)

    def settled(self, client_order_id: str) -> ReservationState | None:
        """Notes that the confirmed positions hold what filled: the reservation has done its work."""
        return self._apply(client_order_id, OrderEvent.SETTLED)

    def release(self, client_order_id: str) -> ReservationState | None:
        """Gives back a grant that certainly was never sent. One that was sent is not touched."""
        with self._lock:
            after = self._books.ledger.release(client_order_id)
            return None if after is None else after.state

    def absent(self, client_order_id: str) -> bool:
        """Takes in that the venue has just said "no such order". Returns whether that was conclusive.

        Only a second such answer, late enough and with nothing heard of the order, frees the reservation.
        """
        now_ns = self._policies.now_ns()
        with self._lock:
            return self._books.ledger.absent(client_order_id, now_ns=now_ns)

    def overdue(self) -> tuple[Reservation, ...]:
        """Returns the reservations that were undecided for too long. Ask the venue: time alone frees nothing."""
        now_ns = self._policies.now_ns()
        with self._lock:
            return self._books.ledger.overdue(now_ns)

    def live(self) -> tuple[Reservation, ...]:
        """Returns every reservation that counts."""
        with self._lock:
            return self._books.ledger.live()

    def reservation(self, client_order_id: str) -> Reservation | None:
        """Returns what is known of one order, None when there is nothing."""
        with self._lock:
            return self._books.ledger.get(client_order_id)

    def adopt(self, order: OrderState, *, strategy_id: str, price: Decimal, risk: Decimal) -> Reservation:
        """Counts an order that was found open at the venue after a restart. One that is known already stays as it is.

        `price` is what its quantity is valued at, `risk` what it would lose at its stop.
        """
        now_ns = self._policies.now_ns()
        with self._lock:
            known = self._books.ledger.get(order.client_order_id)
            if known is not None:
                return known
            day = self._books.day_book.day_of(order.updated_at)
            reservation = adopted(order, strategy_id=strategy_id, price=price, risk=risk, day=day, now_ns=now_ns)
            self._books.ledger.add(reservation)
            return reservation

    def rebuild_day(self, now: datetime, *, fills: Iterable[Fill], executions: Iterable[Execution]) -> int:
        """Counts today's entries from the venue's fills since 00:00 UTC and the journal, and returns how many.

        Until this was called the count is unknown, and entries are refused. Calling it again only ever adds.
        """
        with self._lock:
            day_book = self._books.day_book
            day_book.rebuild(now, fills=fills, executions=executions)
            return day_book.used(day_book.day_of(now)) or 0

    @property
    def latches(self) -> frozenset[Latch]:
        """What holds until a person clears it. Keep it across restarts."""
        return self._latches

    def clear_latch(self, latch: Latch) -> None:
        """Lifts a latch, because a person said so."""
        with self._lock:
            self._set_latches(self._latches - {latch})

    def _take_in(self, view: PolicyView) -> InForce:
        with self._lock:
            # A snapshot may have waited while a newer policy came: then the newer one is meant.
            in_force = self._memory.take(self._policies.current() if self._memory.is_older(view) else view)
        self._lines.follow(self._memory.known)
        return in_force

    def _judge_entry(self, case: Case) -> Decision:
        again = self._repeated(case)
        if again is not None:
            return again
        denial = entry_lane_denial(case) or first_denial(case)
        with self._lock:
            # Somebody may have asked with the same id since.
            again = self._repeated(case)
            if again is not None:
                return again
            return self._grant(case) if denial is None else self._conclude(case, denial)

    def _grant(self, case: Case) -> Decision:
        """Reserves in one step with the last look at the policy and at every count."""
        view = self._policies.current()
        if view is not case.in_force.view or self._latches is not case.latches:
            case = self._anew(case, view)
            denial = entry_lane_denial(case) or first_denial(case)
            if denial is not None:
                return self._conclude(case, denial)
        usage = self._books.usage(case)
        denial = capacity_denial(case, usage)
        if denial is not None:
            return self._conclude(case, denial, usage=usage)
        decision_id = self._next_id()
        reservation = self._books.reserve_entry(case, f"r-{decision_id}")
        return self._conclude(case, None, usage=usage, reservation=reservation, decision_id=decision_id)

    def _anew(self, case: Case, view: PolicyView) -> Case:
        again = Case(case.intent, case.facts, self._memory.take(view), self._config, self._latches, case.now_ns)
        again.rows.append(("policy_reread", view.ref, case.in_force.view.ref, True))
        return again

    def _judge_reduce(self, case: Case) -> Decision:
        with self._lock:
            again = self._repeated(case)
            if again is not None:
                return again
            books = self._books
            denial = books.reduce_lane_denial(case) or reduce_denial(case) or books.reduce_rate_denial(case)
            if denial is not None:
                # Not remembered: what cannot be reduced now may be the next moment.
                return self._conclude(case, denial, remember=False)
            decision_id = self._next_id()
            reservation = self._books.reserve_reduce(case, f"r-{decision_id}")
            return self._conclude(case, None, reservation=reservation, decision_id=decision_id)

    def _repeated(self, case: Case) -> Decision | None:
        """Returns the answer to a client order id that was seen before, None when it is new."""
        intent = case.intent
        before = self._decisions.get(intent.client_order_id)
        order = self._books.ledger.get(intent.client_order_id)
        if before is None and order is None:
            return None
        conflict = _id_conflict(intent, before, order)
        if conflict is None:
            return before
        if intent.only_reduces and before is not None and before.intent.payload == intent.payload:
            # A reduction that came to nothing may be tried again.
            return None
        case.rows.append(("client_order_id", intent.client_order_id, "new", False))
        return self._conclude(case, Denial(ReasonCode.ID_CONFLICT, conflict), remember=False)

    def _conclude(
        self,
        case: Case,
        denial: Denial | None,
        *,
        usage: Usage | None = None,
        reservation: Reservation | None = None,
        decision_id: str | None = None,
        remember: bool = True,
    ) -> Decision:
        decision = decide(
            case,
            denial,
            decision_id=decision_id or self._next_id(),
            usage=usage,
            reservation=reservation,
            ended_ns=self._policies.now_ns(),
        )
        if remember:
            if denial is not None and denial.latch is not None:
                self._set_latches(self._latches | {denial.latch})
            self._remember(decision)
        return decision

    def _remember(self, decision: Decision) -> None:
        id_ = decision.intent.client_order_id
        if id_ not in self._decisions:
            self._oldest_first.append(id_)
        self._decisions[id_] = decision
        if len(self._decisions) > self._config.remembered_decisions:
            del self._decisions[self._oldest_first.popleft()]

    def _set_latches(self, latches: frozenset[Latch]) -> None:
        if latches == self._latches:
            return
        self._latches = latches
        if self._on_latch is not None:
            self._on_latch(latches)

    def _next_id(self) -> str:
        return f"{self._instance_id}-{next(self._numbers)}"

    def _apply(self, client_order_id: str, event: OrderEvent, *, order_id: str = "") -> ReservationState | None:
        with self._lock:
            return self._apply_held(client_order_id, event, order_id=order_id)

    def _apply_held(
        self, client_order_id: str, event: OrderEvent, *, order_id: str = "", filled: Decimal | None = None
    ) -> ReservationState | None:
        now_ns = self._policies.now_ns()
        after = self._books.ledger.apply(client_order_id, event, now_ns=now_ns, order_id=order_id, filled=filled)
        return None if after is None else after.state


def _id_conflict(intent: OrderIntent, before: Decision | None, order: Reservation | None) -> str | None:
    id_ = intent.client_order_id
    if before is None:
        return f"client_order_id: {id_} is that of an order from before"
    if before.intent.payload != intent.payload:
        return f"client_order_id: {id_} was used for another order"
    if before.allowed and (order is None or order.state is ReservationState.RELEASED):
        return f"client_order_id: {id_} was granted, and given back; use a new one"
    return None
