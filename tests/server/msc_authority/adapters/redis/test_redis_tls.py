"""Redis over TLS. The Valkey of the tests speaks none, so something in front of it does."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msc_certificates import Issuer, ServerFiles
from msc_live import EPOCH, a_head
from msc_valkey import ValkeyServer

from msc_authority.adapters.clock import SystemClock
from msc_authority.adapters.redis.cache import RedisPolicyCache
from msc_authority.core.policy import PolicyRef
from msc_authority.ports.cache import CacheError, CacheFault

CLOCK = SystemClock()


class _Front(socketserver.ThreadingTCPServer):
    daemon_threads = True
    context: ssl.SSLContext
    behind: int


class _Handing(socketserver.BaseRequestHandler):
    server: _Front

    def handle(self) -> None:
        # Callers that do not speak TLS, or do not like the certificate, end here.
        with (
            contextlib.suppress(OSError),
            self.server.context.wrap_socket(self.request, server_side=True) as ours,
            socket.create_connection(("127.0.0.1", self.server.behind)) as theirs,
        ):
            threading.Thread(target=_pump, args=(theirs, ours), daemon=True).start()
            _pump(ours, theirs)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


@contextmanager
def speaking_tls(server: ValkeyServer, files: ServerFiles) -> Iterator[str]:
    """Where the server is reached by TLS: host and port."""
    front = _Front(("127.0.0.1", 0), _Handing)
    front.context, front.behind = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), server.port
    front.context.load_cert_chain(files.certificate, files.key)
    with front:
        thread = threading.Thread(target=front.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"localhost:{front.server_address[1]}"
        front.shutdown()
        thread.join()


@pytest.fixture
def files(tmp_path: Path) -> ServerFiles:
    return ServerFiles(tmp_path)


def test_the_policy_is_put_read_and_followed_over_tls(
    valkey: ValkeyServer, valkey_url: str, files: ServerFiles
) -> None:
    assert valkey_url == valkey.url
    with speaking_tls(valkey, files) as place:
        cache, heard = RedisPolicyCache(f"rediss://{place}?ssl_ca_certs={files.ca}", CLOCK), list[PolicyRef | None]()
        cache.listen(heard.append)
        cache.put(a_head(1), confirmed_at=CLOCK.monotonic(), ttl_s=100.0)
        valkey.wait(lambda: heard != [])
        cache.put(a_head(2), confirmed_at=CLOCK.monotonic(), ttl_s=100.0)
        found = cache.get()
        valkey.wait(lambda: PolicyRef(EPOCH, 2) in heard)
        cache.close()
    assert found is not None
    assert found.head == a_head(2)


def test_a_certificate_of_another_authority_is_refused(
    valkey: ValkeyServer, valkey_url: str, files: ServerFiles, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(Issuer("Another CA").pem)
    with speaking_tls(valkey, files) as place:
        cache = RedisPolicyCache(f"rediss://{place}?ssl_ca_certs={other}", CLOCK)
        with pytest.raises(CacheError, match="certificate verify failed") as raised:
            cache.put(a_head(1), confirmed_at=CLOCK.monotonic(), ttl_s=100.0)
        cache.close()
    assert raised.value.fault is CacheFault.LOST
    with valkey.client() as client:
        assert client.dbsize() == 0
    assert valkey_url == valkey.url


def test_whoever_does_not_speak_tls_to_it_is_not_let_in(valkey: ValkeyServer, files: ServerFiles) -> None:
    with speaking_tls(valkey, files) as place:
        cache = RedisPolicyCache(f"redis://{place}", CLOCK)
        with pytest.raises(CacheError) as raised:
            cache.get()
        cache.close()
    assert raised.value.fault is CacheFault.LOST
