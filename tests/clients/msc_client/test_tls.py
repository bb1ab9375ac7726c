"""A channel with certificates made for the test: who is let in, who is not, and certificates that are renewed."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from msc_client_harness import QUICK, until

from msc_client import ConnectionState, PolicySource, Ref, Role, Tier, TlsFiles
from msc_client._wire.authority import snapshot_bytes
from msc_client.testing import Freshness, make_policy

OPENSSL = shutil.which("openssl")
PATIENCE_S = 20.0
SNAPSHOT = snapshot_bytes(make_policy(5), freshness=Freshness(replica_age_s=0.0, ttl_s=3600.0), info=("tls", 0.2))

pytestmark = pytest.mark.skipif(OPENSSL is None, reason="certificates are made with the openssl binary")


class Certificates:
    """An authority for certificates, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.root = folder / "root.pem"
        self._run("req", "-x509", *self._key("root-key.pem"), "-out", str(self.root), "-days", "2", "-subj", "/CN=Root")

    def issue(self, name: str) -> tuple[Path, Path]:
        """Returns key and certificate chain for a name."""
        request, chain, key = (self.folder / f"{name}{end}" for end in (".csr", ".pem", "-key.pem"))
        names = self.folder / f"{name}.txt"
        names.write_text(f"subjectAltName=DNS:{name}")
        self._run("req", *self._key(key.name), "-out", str(request), "-subj", f"/CN={name}")
        self._run(
            "x509", "-req", "-in", str(request), "-CA", str(self.root), "-CAkey", str(self.folder / "root-key.pem"),
            "-CAcreateserial", "-out", str(chain), "-days", "2", "-extfile", str(names),
        )  # fmt: skip
        return key, chain

    def _key(self, name: str) -> list[str]:
        return [
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            str(self.folder / name),
        ]

    def _run(self, *arguments: str) -> None:
        assert OPENSSL is not None
        subprocess.run([OPENSSL, *arguments], check=True, capture_output=True, timeout=60)


class SecureAuthority:
    """Sends one snapshot on each watch and then holds it open. Health is answered, for the channel asks first."""

    def __init__(self, key: Path, chain: Path, *, clients: Path) -> None:
        self.peers: list[str] = []
        self._gone = threading.Event()
        self._server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        for service, method in (("msc_policy.v1.PolicyAuthority", "WatchPolicy"), ("grpc.health.v1.Health", "Watch")):
            first = SNAPSHOT if method == "WatchPolicy" else b"\x08\x01"
            handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_stream_rpc_method_handler(self._hold(first))
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
        credentials = grpc.ssl_server_credentials(
            [(key.read_bytes(), chain.read_bytes())], clients.read_bytes(), require_client_auth=True
        )
        self.port = self._server.add_secure_port("127.0.0.1:0", credentials)
        self._server.start()

    def _hold(self, first: bytes) -> Callable[[bytes, grpc.ServicerContext], Iterator[bytes]]:
        def handle(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
            names: Iterable[bytes] = context.auth_context().get("x509_common_name", ())  # type: ignore[assignment]  # bytes
            self.peers += [name.decode() for name in names]
            ended = threading.Event()
            context.add_callback(ended.set)
            yield first
            while not (ended.is_set() or self._gone.is_set()):
                ended.wait(0.05)

        return handle

    def stop(self) -> None:
        self._gone.set()
        self._server.stop(None).wait()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture
def authority(certificates: Certificates) -> Iterator[SecureAuthority]:
    key, chain = certificates.issue("authority.test")
    made = SecureAuthority(key, chain, clients=certificates.root)
    yield made
    made.stop()


def source_of(authority: SecureAuthority, tls: TlsFiles | None) -> PolicySource:
    config = replace(QUICK, tls=tls, first_message_s=1.0, start_wait_s=0.01)
    return PolicySource(f"127.0.0.1:{authority.port}", role=Role.EXECUTOR, name="tls", config=config, state_dir=None)


def files(certificates: Certificates, name: str = "executor.test", server_name: str = "authority.test") -> TlsFiles:
    key, chain = certificates.issue(name)
    return TlsFiles(
        root_certificates=certificates.root, private_key=key, certificate_chain=chain, server_name=server_name
    )


def test_with_certificates_of_both_sides_the_policy_arrives_and_the_client_is_known(
    authority: SecureAuthority, certificates: Certificates
) -> None:
    with source_of(authority, files(certificates)) as source:
        assert source.wait_for_ref(Ref(1, 5), PATIENCE_S).tier is Tier.FRESH
    assert "executor.test" in authority.peers


@pytest.mark.parametrize("how", ["no certificate", "plain text", "another name", "another root"])
def test_without_the_right_certificates_nothing_is_read_and_nothing_raises(
    authority: SecureAuthority, certificates: Certificates, tmp_path: Path, how: str
) -> None:
    tls: dict[str, TlsFiles | None] = {
        "no certificate": TlsFiles(root_certificates=certificates.root, server_name="authority.test"),
        "plain text": None,
        "another name": files(certificates, server_name="elsewhere.test"),
    }
    chosen = files(Certificates(tmp_path / "theirs")) if how == "another root" else tls[how]
    with source_of(authority, chosen) as source:
        until(lambda: "no message within" in source.status().last_error)
        assert source.current().tier is Tier.SAFE_NONE
    assert authority.peers == []


def test_certificates_that_were_renewed_after_a_refusal_are_read_again(
    authority: SecureAuthority, certificates: Certificates, tmp_path: Path
) -> None:
    good = files(certificates)
    assert good.private_key is not None
    key = tmp_path / "key.pem"
    key.write_bytes(b"")
    with source_of(authority, replace(good, private_key=key)) as source:
        until(lambda: source.status().connection is ConnectionState.DENIED)
        assert "key.pem: is empty" in source.status().last_error
        key.write_bytes(good.private_key.read_bytes())
        assert source.wait_for_ref(Ref(1, 5), PATIENCE_S).tier is Tier.FRESH
