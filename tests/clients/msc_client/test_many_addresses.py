"""Several replicas behind one target, each with a certificate of its own: lists of addresses, names with several."""

from __future__ import annotations

import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from msc_client_harness import QUICK, until

from msc_client import PolicySource, Ref, Role, Tier, TlsFiles
from msc_client._transport.channel import _name_for_list, channel_target
from msc_client._wire.authority import snapshot_bytes
from msc_client.testing import Freshness, make_policy

OPENSSL = shutil.which("openssl")
PATIENCE_S = 20.0
SNAPSHOT = snapshot_bytes(make_policy(5), freshness=Freshness(replica_age_s=0.0, ttl_s=3600.0), info=("many", 0.2))
NAME = "msc.test"

pytestmark = pytest.mark.skipif(OPENSSL is None, reason="certificates are made with the openssl binary")


class Issuer:
    """Issues certificates, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.root = folder, folder / "root.pem"
        self._run("req", "-x509", *self._key("root"), "-out", str(self.root), "-days", "2", "-subj", "/CN=Root")

    def issue(self, name: str, *names: str) -> tuple[Path, Path]:
        """Key and certificate for names, as in DNS:a.test and IP:127.0.0.1."""
        request, chain, more = (self._folder / f"{name}{end}" for end in (".csr", ".pem", ".txt"))
        more.write_text(f"subjectAltName={','.join(names)}")
        self._run("req", *self._key(name), "-out", str(request), "-subj", f"/CN={name}")
        self._run(
            "x509", "-req", "-in", str(request), "-CA", str(self.root), "-CAkey", str(self._folder / "root-key.pem"),
            "-CAcreateserial", "-out", str(chain), "-days", "2", "-extfile", str(more),
        )  # fmt: skip
        return self._folder / f"{name}-key.pem", chain

    def _key(self, name: str) -> list[str]:
        kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        return [*kind, "-keyout", str(self._folder / f"{name}-key.pem")]

    def _run(self, *arguments: str) -> None:
        assert OPENSSL is not None
        subprocess.run([OPENSSL, *arguments], check=True, capture_output=True, timeout=60)


class Replica:
    """Sends one snapshot on each watch and holds it open, to clients that show a certificate."""

    def __init__(self, host: str, port: int, pair: tuple[Path, Path], clients: Path) -> None:
        self.watched = 0
        self._gone = threading.Event()
        self._server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        for service, method in (("msc_policy.v1.PolicyAuthority", "WatchPolicy"), ("grpc.health.v1.Health", "Watch")):
            first = SNAPSHOT if method == "WatchPolicy" else b"\x08\x01"
            handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_stream_rpc_method_handler(self._hold(first))
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
        key, chain = pair
        credentials = grpc.ssl_server_credentials(
            [(key.read_bytes(), chain.read_bytes())], clients.read_bytes(), require_client_auth=True
        )
        self.port = self._server.add_secure_port(f"{host}:{port}", credentials)
        self.address = f"{host}:{self.port}"
        self._server.start()

    def _hold(self, first: bytes) -> Callable[[bytes, grpc.ServicerContext], Iterator[bytes]]:
        def handle(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
            ended = threading.Event()
            context.add_callback(ended.set)
            self.watched += first == SNAPSHOT
            yield first
            while not (ended.is_set() or self._gone.is_set()):
                ended.wait(0.05)

        return handle

    def stop(self) -> None:
        self._gone.set()
        self._server.stop(None).wait()


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    return Issuer(tmp_path_factory.mktemp("many"))


@pytest.fixture
def replicas(issuer: Issuer) -> Iterator[tuple[Replica, Replica]]:
    """Two on one port of two addresses; each certificate has a name of its own, and one that both have."""
    pairs = [
        issuer.issue(f"r{number}", f"DNS:r{number}.test", f"DNS:{NAME}", "IP:127.0.0.1", f"IP:127.0.0.{number}")
        for number in (1, 2)
    ]
    one = Replica("127.0.0.1", 0, pairs[0], issuer.root)
    two = Replica("127.0.0.2", one.port, pairs[1], issuer.root)
    yield one, two
    one.stop()
    two.stop()


def source_of(target: str, issuer: Issuer, server_name: str = "") -> PolicySource:
    key, chain = issuer.issue("executor", "DNS:executor.test")
    tls = TlsFiles(root_certificates=issuer.root, private_key=key, certificate_chain=chain, server_name=server_name)
    config = replace(QUICK, tls=tls, first_message_s=1.0, start_wait_s=0.01)
    return PolicySource(target, role=Role.EXECUTOR, name="many", config=config, state_dir=None)


def is_fresh_from(source: PolicySource) -> None:
    assert source.wait_for_ref(Ref(1, 5), PATIENCE_S).tier is Tier.FRESH


def moves_on(source: PolicySource, replicas: tuple[Replica, Replica]) -> None:
    """Whichever it watches goes; it watches the other."""
    is_fresh_from(source)
    one, two = replicas if replicas[0].watched else replicas[::-1]
    before = two.watched
    one.stop()
    until(lambda: two.watched > before)


@pytest.mark.parametrize("form", ["{},{}", "ipv4:{},{}", " {} , {} "])
@pytest.mark.parametrize("server_name", [NAME, ""])
def test_over_tls_a_list_leads_to_any_replica_whose_certificate_has_the_one_name(
    replicas: tuple[Replica, Replica], issuer: Issuer, form: str, server_name: str
) -> None:
    # Without a name, it is the first host of the list, which is in both certificates.
    target = form.format(replicas[0].address, replicas[1].address)
    with source_of(target, issuer, server_name) as source:
        moves_on(source, replicas)


def test_a_replica_without_the_one_name_is_passed_over(replicas: tuple[Replica, Replica], issuer: Issuer) -> None:
    one, two = replicas
    with source_of(f"{one.address},{two.address}", issuer, "r2.test") as source:
        is_fresh_from(source)
    assert (one.watched, two.watched) == (0, 1)


def test_a_certificate_for_localhost_is_not_one_for_every_address_of_a_list(issuer: Issuer) -> None:
    local = Replica("127.0.0.1", 0, issuer.issue("local", "DNS:localhost"), issuer.root)
    try:
        with source_of(f"{local.address},127.0.0.3:{local.port}", issuer) as source:
            until(lambda: "no message within" in source.status().last_error)
        assert local.watched == 0
        with source_of(f"localhost:{local.port},127.0.0.3:{local.port}", issuer) as source:
            is_fresh_from(source)
    finally:
        local.stop()


class Names:
    """Answers every question for an IPv4 address with the same addresses, over UDP."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            question, sender = self._socket.recvfrom(512)
            if not question:
                return
            self._socket.sendto(self._answer(question), sender)

    def _answer(self, question: bytes) -> bytes:
        end = question.index(0, 12) + 5
        wants_ipv4 = question[end - 4 : end - 2] == b"\x00\x01"
        self.asked += wants_ipv4
        found = self.addresses if wants_ipv4 else []
        head = question[:2] + struct.pack(">HHHHH", 0x8180, 1, len(found), 0, 0)
        records = [b"\xc0\x0c\x00\x01\x00\x01" + struct.pack(">IH", 1, 4) + socket.inet_aton(each) for each in found]
        return head + question[12:end] + b"".join(records)

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(5)
        self._socket.close()


@pytest.fixture
def names() -> Iterator[Names]:
    made = Names("127.0.0.1", "127.0.0.2")
    yield made
    made.close()


def test_a_name_with_several_addresses_leads_to_any_of_them_under_that_name(
    replicas: tuple[Replica, Replica], issuer: Issuer, names: Names
) -> None:
    with source_of(f"dns://127.0.0.1:{names.port}/{NAME}:{replicas[0].port}", issuer) as source:
        moves_on(source, replicas)
    assert names.asked >= 1


def test_a_name_that_leads_elsewhere_is_looked_up_again_when_the_connection_is_lost(
    replicas: tuple[Replica, Replica], issuer: Issuer, names: Names
) -> None:
    one, two = replicas
    names.addresses = ["127.0.0.1"]
    with source_of(f"dns://127.0.0.1:{names.port}/{NAME}:{one.port}", issuer) as source:
        is_fresh_from(source)
        assert two.watched == 0
        names.addresses = ["127.0.0.2"]
        one.stop()
        until(lambda: two.watched == 1)


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("a.test:1,b.test:2", "a.test"),
        ("127.0.0.1:1,127.0.0.2:2", "127.0.0.1"),
        ("ipv6:[::1]:1,[::1]:2", "::1"),
        ("localhost:1,localhost:2", "localhost"),
    ],
)
def test_of_a_list_the_first_host_is_the_name_that_is_expected(target: str, name: str) -> None:
    assert _name_for_list(target, "ipv4:127.0.0.1:1,127.0.0.2:2") == name


@pytest.mark.parametrize("target", ["a.test:1", "dns:///a.test:1", "unix:/srv/msc", "127.0.0.1:1"])
def test_a_target_that_names_itself_needs_no_other_name(target: str) -> None:
    assert _name_for_list(target, channel_target(target)) == ""
