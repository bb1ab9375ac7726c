"""gRPC over TLS: whom a handshake lets in, what a certificate stands for, and certificates that are renewed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from msc_certificates import END, Issuer, Pair, ServerFiles
from msc_live import ManualTime, until
from msc_served import Served, reason_of, served

from msc_authority.app.access import Role
from msc_authority.app.tokens import mint
from msc_policy import v1 as pb

DEADLINE_S = 20.0


@asynccontextmanager
async def talking_tls(scene: Served, ca: bytes, pair: Pair | None = None) -> AsyncIterator[pb.PolicyAuthorityAsyncStub]:
    """A stub that trusts a CA, and shows a certificate."""
    credentials = grpc.ssl_channel_credentials(ca, pair.key if pair else None, pair.certificate if pair else None)
    options = [("grpc.use_local_subchannel_pool", 1)]
    address = f"localhost:{scene.authority.port}"
    async with grpc.aio.secure_channel(address, credentials, options=options) as channel:
        yield pb.PolicyAuthorityStub(channel)


async def outcome(scene: Served, ca: bytes, pair: Pair | None = None) -> str:
    """OK, or the status that a call ends with."""
    async with talking_tls(scene, ca, pair) as stub:
        try:
            await stub.ListClients(pb.ListClientsRequest(), timeout=DEADLINE_S)
        except grpc.aio.AioRpcError as error:
            return str(error.code().name)
    return "OK"


def configured_by(files: ServerFiles, **more: object) -> Mapping[str, object]:
    return {**files.configured, "allow_plaintext_remote": False, **more}


@asynccontextmanager
async def secured(files: ServerFiles, **more: object) -> AsyncIterator[Served]:
    async with served(configured=configured_by(files, **more)) as scene:
        yield scene


async def test_who_trusts_the_certificate_is_served_and_who_does_not_stays_away(tmp_path: Path) -> None:
    files = ServerFiles(tmp_path)
    async with secured(files) as scene:
        assert await outcome(scene, files.issuer.pem) == "OK"
        assert await outcome(scene, Issuer("Somebody else").pem) == "UNAVAILABLE"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await scene.stub.ListClients(pb.ListClientsRequest(), timeout=DEADLINE_S)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert await outcome(scene, files.issuer.pem) == "OK"


@pytest.mark.parametrize("how", ["none", "of another CA", "expired"])
async def test_where_clients_must_show_a_certificate_nobody_comes_in_without_a_good_one(
    tmp_path: Path, how: str
) -> None:
    files = ServerFiles(tmp_path, mutual=True)
    pair = {"none": None, "of another CA": Issuer().client("executor-1"), "expired": files.issuer.expired()}[how]
    async with secured(files, certificates={"*": ["operator"]}) as scene:
        assert await outcome(scene, files.issuer.pem, pair) == "UNAVAILABLE"
        assert await outcome(scene, files.issuer.pem, files.issuer.client("executor-1")) == "OK"


async def test_a_certificate_stands_for_the_roles_of_its_name(tmp_path: Path) -> None:
    files = ServerFiles(tmp_path, mutual=True)
    roles = {"executor-1.msc.example": "journal", "deploy": ["evaluator"]}
    async with secured(files, certificates=roles) as scene:
        executor = files.issuer.client("executor-1", "executor-1.msc.example")
        async with talking_tls(scene, files.issuer.pem, executor) as stub:
            await stub.ListClients(pb.ListClientsRequest())
            with pytest.raises(grpc.aio.AioRpcError) as lacking:
                await stub.Evaluate(pb.EvaluateRequest())
        async with talking_tls(scene, files.issuer.pem, files.issuer.client("deploy")) as stub:
            await stub.Evaluate(pb.EvaluateRequest())
        async with talking_tls(scene, files.issuer.pem, files.issuer.client("stranger")) as stub:
            with pytest.raises(grpc.aio.AioRpcError) as unlisted:
                await stub.ListClients(pb.ListClientsRequest())

    assert lacking.value.details() == "executor-1.msc.example needs the role evaluator for this; it has: journal"
    assert reason_of(unlisted.value) == "ROLE_MISSING"
    assert unlisted.value.details() == "stranger needs the role reader for this; it has: none"


async def test_a_token_may_go_beside_a_certificate(tmp_path: Path) -> None:
    files = ServerFiles(tmp_path, mutual=True)
    async with secured(files, loopback_role="none") as scene:
        minted = mint(name="anna", roles=[Role.EVALUATOR], now=scene.time.now(), created_by="a test")
        scene.store.tokens.add(minted.stored)
        async with talking_tls(scene, files.issuer.pem, files.issuer.client("laptop")) as stub:
            await stub.Evaluate(pb.EvaluateRequest(), metadata=(("authorization", f"Bearer {minted.text}"),))


async def test_a_watch_and_its_connection_end_with_the_certificate_that_opened_them(tmp_path: Path) -> None:
    files, time = ServerFiles(tmp_path, mutual=True), ManualTime()
    time.leap((END - time.now()).total_seconds() - 30)
    configured = configured_by(files, certificates={"*": ["reader"]})
    async with (
        served(time=time, configured=configured) as scene,
        talking_tls(scene, files.issuer.pem, files.issuer.client("laptop")) as stub,
    ):
        watch = stub.WatchPolicy(pb.WatchPolicyRequest())
        await watch.read()
        await scene.time.advance(31)
        messages = [await watch.read() for _ in range(10)]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.ListClients(pb.ListClientsRequest(), timeout=DEADLINE_S)

    last = next(message for message in reversed(messages) if message is not grpc.aio.EOF)
    assert isinstance(last, pb.WatchPolicyResponse)
    assert last.goodbye.reason == pb.GOODBYE_REASON_AUTH_EXPIRED
    assert (caught.value.code(), reason_of(caught.value)) == (
        grpc.StatusCode.UNAUTHENTICATED,
        "CERTIFICATE_EXPIRED",
    )


async def test_renewed_certificates_serve_new_connections_and_open_watches_go_on(tmp_path: Path) -> None:
    files, other = ServerFiles(tmp_path), Issuer("Another")
    async with secured(files) as scene, talking_tls(scene, files.issuer.pem) as stub:
        watch = stub.WatchPolicy(pb.WatchPolicyRequest())
        await watch.read()
        files.renew(other)
        renewed = scene.authority.tls
        assert renewed is not None
        await scene.time.advance(2)
        await until(lambda: renewed.material.chain == files.certificate.read_bytes())

        assert await outcome(scene, other.pem) == "OK"
        assert await outcome(scene, files.issuer.pem) == "UNAVAILABLE"
        await stub.ListClients(pb.ListClientsRequest())
        await scene.time.advance(5)
        assert isinstance(await watch.read(), pb.WatchPolicyResponse)


async def test_a_new_ca_of_clients_is_asked_for_from_then_on(tmp_path: Path) -> None:
    files, other = ServerFiles(tmp_path, mutual=True), Issuer("Another")
    async with secured(files, certificates={"*": "reader"}) as scene:
        ours, theirs = files.issuer.client("a"), other.client("b")
        assert await outcome(scene, files.issuer.pem, ours) == "OK"
        files.ca.write_bytes(other.pem)
        tls = scene.authority.tls
        assert tls is not None
        await scene.time.advance(2)
        await until(lambda: tls.material.client_ca == other.pem)

        assert await outcome(scene, files.issuer.pem, theirs) == "OK"
        assert await outcome(scene, files.issuer.pem, ours) == "UNAVAILABLE"


async def test_broken_new_files_leave_the_old_certificate_in_service(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = ServerFiles(tmp_path)
    async with secured(files) as scene:
        files.key.write_bytes(b"")
        await scene.time.advance(2)
        await until(lambda: any(record.levelno == logging.ERROR for record in caplog.records))
        await scene.time.advance(6)

        assert await outcome(scene, files.issuer.pem) == "OK"

    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1


async def test_bytes_that_are_no_handshake_harm_nobody(tmp_path: Path) -> None:
    files = ServerFiles(tmp_path)
    async with secured(files) as scene:
        for sent in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01" + b"\xff" * 2000, bytes(100_000)):
            reader, writer = await asyncio.open_connection("127.0.0.1", scene.authority.port)
            writer.write(sent)
            # Refused in the middle of it, the connection may be gone already.
            with contextlib.suppress(OSError):
                writer.write_eof()
                await asyncio.wait_for(reader.read(), DEADLINE_S)
            writer.close()
        assert await outcome(scene, files.issuer.pem) == "OK"
