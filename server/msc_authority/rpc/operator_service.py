"""OperatorService on the wire: what a person does, and the overrides in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

from msc_authority.app.acts import Act
from msc_authority.app.broker import Broker
from msc_authority.app.operations import Operations, actor_of
from msc_authority.app.patience import PATIENCE_S
from msc_authority.rpc.calls import unary
from msc_authority.rpc.errors import FieldProblem, InvalidRequest
from msc_authority.rpc.mapping.operator import act_of, lift_of, outcome_to_proto, override_to_proto
from msc_authority.rpc.mapping.served import ServedPolicy
from msc_authority.rpc.policy_service import MAX_REASON_CHARS, REQUEST_ID
from msc_policy import v1 as pb

if TYPE_CHECKING:
    from msc_authority.rpc.calls import Context

SERVICE = "msc_policy.v1.OperatorService"
MAX_ACTOR_CHARS = 64


class OperatorService:
    """The methods."""

    def __init__(self, *, operations: Operations, broker: Broker, served: ServedPolicy) -> None:
        self._operations, self._broker, self._served = operations, broker, served

    async def act(self, request: pb.ActRequest, context: Context) -> pb.ActResponse:
        """Does one thing."""
        _check(request)
        return await self._done(act_of(request), request, context)

    async def lift_override(self, request: pb.LiftOverrideRequest, context: Context) -> pb.LiftOverrideResponse:
        """Ends an override."""
        _check(request)
        return pb.LiftOverrideResponse(outcome=await self._done(lift_of(request), request, context))

    async def list_overrides(self, request: pb.ListOverridesRequest, context: Context) -> pb.ListOverridesResponse:
        """Returns the overrides in force, as the store has them."""
        overrides = await self._operations.overrides()
        return pb.ListOverridesResponse(
            overrides=map(override_to_proto, overrides), head=self._served.ref(self._broker.current.head)
        )

    async def _done(
        self, act: Act, request: pb.ActRequest | pb.LiftOverrideRequest, context: Context
    ) -> pb.ActResponse:
        actor = actor_of(request.actor)
        if request.validate_only:
            outcome = await self._operations.preview(act, actor=actor, reason=request.reason)
        else:
            outcome = await self._operations.act(
                act,
                actor=actor,
                reason=request.reason,
                request_id=request.request_id,
                patience_s=_patience_s(context),
            )
        return outcome_to_proto(outcome)


def _patience_s(context: Context) -> float:
    left_s = context.time_remaining()
    return PATIENCE_S if left_s is None else left_s


def _check(request: pb.ActRequest | pb.LiftOverrideRequest) -> None:
    problems = []
    if not request.reason.strip() or len(request.reason) > MAX_REASON_CHARS or not request.reason.isprintable():
        text = f"say why, in 1 to {MAX_REASON_CHARS} characters without control characters"
        problems.append(FieldProblem(field="reason", problem=text))
    if len(request.actor) > MAX_ACTOR_CHARS or not request.actor.isprintable():
        text = f"must be up to {MAX_ACTOR_CHARS} characters without control characters"
        problems.append(FieldProblem(field="actor", problem=text))
    if not REQUEST_ID.fullmatch(request.request_id):
        problems.append(FieldProblem(field="request_id", problem="must be up to 64 characters of A-Z a-z 0-9 _ . -"))
    if problems:
        raise InvalidRequest(*problems)


def operator_handlers(service: OperatorService) -> grpc.GenericRpcHandler:
    """Returns the handlers of OperatorService."""
    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            "Act": unary(pb.ActRequest, service.act),
            "ListOverrides": unary(pb.ListOverridesRequest, service.list_overrides),
            "LiftOverride": unary(pb.LiftOverrideRequest, service.lift_override),
        },
    )
