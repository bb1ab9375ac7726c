"""grpc.health.v1 for asyncio.

The one that ships with grpcio holds a lock while it writes to a watcher, and forgets the remaining watchers of a
service when one of them leaves, so that a client would wait for ever on a server that has recovered. Here each watch
has an event of its own, and setting a status never waits.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health_pb2

from msc_authority.app.vitals import VitalSigns

if TYPE_CHECKING:
    HealthContext = grpc.aio.ServicerContext[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]

SERVICE = "grpc.health.v1.Health"
OVERALL = ""
FRESH = "policyauthority.fresh"
UP_SERVICES = ("msc_policy.v1.PolicyAuthority", "msc_policy.v1.JournalService", "msc_policy.v1.OperatorService")


class Health:
    """Says what is served. "" and "policyauthority.fresh" also mean that the head can be vouched for.

    The services themselves are up as long as the process is: an aged policy is still served, with its age.
    """

    def __init__(self) -> None:
        """Nothing is served yet."""
        self._serving = dict.fromkeys((OVERALL, FRESH, *UP_SERVICES), False)
        self._watches: set[asyncio.Event] = set()

    def show(self, signs: VitalSigns) -> None:
        """Takes the authority's vital signs."""
        before = dict(self._serving)
        self._serving.update(dict.fromkeys((OVERALL, FRESH), signs.fresh and signs.up))
        self._serving.update(dict.fromkeys(UP_SERVICES, signs.up))
        if self._serving != before:
            for changed in self._watches:
                changed.set()

    async def check(
        self, request: health_pb2.HealthCheckRequest, context: HealthContext
    ) -> health_pb2.HealthCheckResponse:
        """Returns the status of a service now."""
        if request.service not in self._serving:
            known = ", ".join(name or '""' for name in self._serving)
            await context.abort(grpc.StatusCode.NOT_FOUND, f"unknown service; known are {known}")
        return self._response(request.service)

    async def watch(self, request: health_pb2.HealthCheckRequest, context: HealthContext) -> None:
        """Writes the status of a service now and whenever it changes."""
        changed = asyncio.Event()
        self._watches.add(changed)
        written: health_pb2.HealthCheckResponse | None = None
        try:
            while True:
                changed.clear()
                response = self._response(request.service)
                if response != written:
                    await context.write(response)
                    written = response
                await changed.wait()
        finally:
            self._watches.discard(changed)

    def _response(self, service: str) -> health_pb2.HealthCheckResponse:
        serving = self._serving.get(service)
        if serving is None:
            return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        return health_pb2.HealthCheckResponse(status=status)


def health_handlers(health: Health) -> grpc.GenericRpcHandler:
    """Returns the handlers of grpc.health.v1.Health."""
    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            "Check": grpc.unary_unary_rpc_method_handler(
                health.check,
                request_deserializer=health_pb2.HealthCheckRequest.FromString,
                response_serializer=health_pb2.HealthCheckResponse.SerializeToString,
            ),
            "Watch": grpc.unary_stream_rpc_method_handler(
                health.watch,
                request_deserializer=health_pb2.HealthCheckRequest.FromString,
                response_serializer=health_pb2.HealthCheckResponse.SerializeToString,
            ),
        },
    )
