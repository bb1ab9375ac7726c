"""grpc.health.v1 for asyncio.

The one that ships with grpcio holds a lock while it writes to a watcher, and forgets the remaining watchers of a
service when one of them leaves, so that a client would wait for ever on a server that has recovered. Here each watch
waits for itself, and setting a status never waits.
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

_SERVING = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)
_NOT_SERVING = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.NOT_SERVING)
_SERVICE_UNKNOWN = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)
# Every channel of every client asks the same, and a stream holds what it was asked for as long as it lasts.
_REQUESTS = {service: health_pb2.HealthCheckRequest(service=service) for service in (OVERALL, FRESH, *UP_SERVICES)}


class Health:
    """Says what is served. "" and "policyauthority.fresh" also mean that the head can be vouched for.

    The services themselves are up as long as the process is: an aged policy is still served, with its age.
    """

    def __init__(self) -> None:
        """Nothing is served yet."""
        self._serving = dict.fromkeys((OVERALL, FRESH, *UP_SERVICES), False)
        self._watches: set[asyncio.Future[None]] = set()

    def show(self, signs: VitalSigns) -> None:
        """Takes the authority's vital signs."""
        before = dict(self._serving)
        self._serving.update(dict.fromkeys((OVERALL, FRESH), signs.fresh and signs.up))
        self._serving.update(dict.fromkeys(UP_SERVICES, signs.up))
        if self._serving != before:
            for changed in self._watches:
                if not changed.done():
                    changed.set_result(None)

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
        service, written = request.service, None
        while True:
            response = self._response(service)
            if response is not written:
                await context.write(response)
                # It may have changed meanwhile.
                written = response
                continue
            changed = asyncio.get_running_loop().create_future()
            self._watches.add(changed)
            try:
                await changed
            finally:
                self._watches.discard(changed)

    def _response(self, service: str) -> health_pb2.HealthCheckResponse:
        serving = self._serving.get(service)
        if serving is None:
            return _SERVICE_UNKNOWN
        return _SERVING if serving else _NOT_SERVING


def _request_of(raw: bytes) -> health_pb2.HealthCheckRequest:
    request = health_pb2.HealthCheckRequest.FromString(raw)
    return _REQUESTS.get(request.service, request)


def health_handlers(health: Health) -> grpc.GenericRpcHandler:
    """Returns the handlers of grpc.health.v1.Health."""
    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            "Check": grpc.unary_unary_rpc_method_handler(
                health.check,
                request_deserializer=_request_of,
                response_serializer=health_pb2.HealthCheckResponse.SerializeToString,
            ),
            "Watch": grpc.unary_stream_rpc_method_handler(
                health.watch,
                request_deserializer=_request_of,
                response_serializer=health_pb2.HealthCheckResponse.SerializeToString,
            ),
        },
    )
