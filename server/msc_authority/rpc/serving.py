"""The gRPC server: its options, its services, its port, and how it stops."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor

from msc_authority.app.admission import Admission
from msc_authority.app.broker import Broker
from msc_authority.app.vitals import VitalSigns
from msc_authority.ports.clock import Clock
from msc_authority.ports.tls import TlsSource
from msc_authority.rpc.health import SERVICE as HEALTH_SERVICE
from msc_authority.rpc.health import Health, health_handlers
from msc_authority.rpc.interceptors import AnswerErrors, Layers, LogCalls
from msc_authority.rpc.journal_service import SERVICE as JOURNAL_SERVICE
from msc_authority.rpc.operator_service import SERVICE as OPERATOR_SERVICE
from msc_authority.rpc.options import SERVER_OPTIONS
from msc_authority.rpc.policy_service import SERVICE as POLICY_SERVICE
from msc_authority.rpc.security.interceptor import CheckAccess
from msc_authority.rpc.security.tls import server_credentials

STOP_GRACE_S = 0.4
"""Time for calls that are still open when the watches have ended; health watches stay open until then."""

CALLS_END_WITHIN_S = 0.2
_TASK_OF_A_CALL = "rpc_task"
"""As grpc.aio calls it."""


class CannotListen(Exception):
    """The server cannot listen where it was told to."""

    def __init__(self, host: str, port: int, problem: str) -> None:
        super().__init__(f"cannot listen on {host}:{port}: {problem}")
        self.host, self.port = host, port


class PortInUse(CannotListen):
    """Another program listens on the port."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            host,
            port,
            f"another program, perhaps another authority, uses port {port}. "
            "Stop it, or choose another port with --grpc-port or MSC_GRPC_PORT",
        )


class PolicyServer:
    """Serves both services, health and reflection on one port."""

    def __init__(
        self,
        *,
        handlers: Sequence[grpc.GenericRpcHandler],
        health: Health,
        broker: Broker,
        admission: Admission,
        tls: TlsSource | None,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        """`tls` None: it speaks plaintext."""
        self._health, self._broker, self._tls = health, broker, tls
        # The outermost first: the log line has what a call ended with before that is made a status.
        layers = (AnswerErrors(new_id), LogCalls(clock), CheckAccess(admission, over_tls=tls is not None))
        served = (*handlers, health_handlers(health), _reflection_handlers())
        self._server = grpc.aio.server(options=SERVER_OPTIONS)
        # Nothing else may be added: it would be in front of the door.
        self._server.add_generic_rpc_handlers((Layers(*layers, around=served),))

    async def start(self, host: str, port: int) -> int:
        """Listens, and returns the port: the one asked for, or for 0 the one it got.

        Raises:
            PortInUse: another program listens there.
            CannotListen: the address is none of this machine, or the port needs a privilege.
        """
        address = f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"
        try:
            bound = self._bind(address)
        except RuntimeError as error:
            raise _diagnosis(host, port) from error
        await self._server.start()
        return bound

    def _bind(self, address: str) -> int:
        if self._tls is None:
            return self._server.add_insecure_port(address)
        return self._server.add_secure_port(address, server_credentials(self._tls))

    async def stop(self, drain_s: float) -> None:
        """Stops: health first, then a goodbye on every watch, then the port. Takes little more than `drain_s`."""
        self._health.show(VitalSigns(fresh=False, up=False))
        self._broker.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_s):
                await self._broker.idle()
        await self._server.stop(STOP_GRACE_S)


@asynccontextmanager
async def calls_outlived(within_s: float = CALLS_END_WITHIN_S) -> AsyncIterator[None]:
    """Waits, behind a block in which a server was stopped, until gRPC is done with each call of this loop.

    A call that was cut off takes a moment longer than the stop, and gRPC prints a stack, past all logging, for each
    that the end of the loop finds.
    """
    try:
        yield
    finally:
        calls = [task for task in asyncio.all_tasks() if task.get_name() == _TASK_OF_A_CALL]
        if calls:
            await asyncio.wait(calls, timeout=within_s)


def _diagnosis(host: str, port: int) -> CannotListen:
    # gRPC does not say why; the operating system does.
    try:
        family, kind, number, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, number) as probe:
            probe.bind(address)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            return CannotListen(host, port, f"{error.strerror}. Check --grpc-host and --grpc-port")
    return PortInUse(host, port)


def _reflection_handlers() -> grpc.GenericRpcHandler:
    from grpc_reflection.v1alpha import reflection, reflection_pb2

    names = (POLICY_SERVICE, JOURNAL_SERVICE, OPERATOR_SERVICE, HEALTH_SERVICE, reflection.SERVICE_NAME)
    servicer = reflection.aio.ReflectionServicer(names, pool=_Symbols())
    # As `enable_server_reflection` does, which takes nothing but a server.
    info = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return grpc.method_handlers_generic_handler(reflection.SERVICE_NAME, {"ServerReflectionInfo": info})


class _Symbols:
    """The pool of descriptors, which also finds the file of a method or a field: `grpcurl describe` asks for them."""

    def __init__(self) -> None:
        self._pool = descriptor_pool.Default()
        self.FindFileByName = self._pool.FindFileByName
        self.FindMessageTypeByName = self._pool.FindMessageTypeByName
        self.FindExtensionByNumber = self._pool.FindExtensionByNumber
        self.FindAllExtensions = self._pool.FindAllExtensions

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:  # noqa: N802 -- the pool's name
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            return self._pool.FindFileContainingSymbol(symbol.rpartition(".")[0])
