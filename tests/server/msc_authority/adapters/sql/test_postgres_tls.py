"""TLS to the database, by the parameters of the URL. The wheel's server has none: what stands before it has."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from msc_builders import ManualClock
from msc_certificates import Issuer, ServerFiles
from msc_postgres import PASSWORD, PostgresServer
from sqlalchemy import create_engine, make_url, text

from msc_authority.adapters.sql import open_store
from msc_authority.adapters.sql.errors import store_errors
from msc_authority.ports.store import StoreError, StoreUnavailable


class TlsFront:
    """Ends TLS as PostgreSQL would, and hands what it carried to the server's socket."""

    def __init__(self, files: ServerFiles, server: PostgresServer) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(files.certificate, files.key)
        self._behind = str(server.folder / ".s.PGSQL.5432")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sessions: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                session, _ = self._listener.accept()
                self._sessions.append(session.dup())
                self._threads.append(threading.Thread(target=self._serve, args=(session,)))
                self._threads[-1].start()

    def _serve(self, session: socket.socket) -> None:
        behind = socket.socket(socket.AF_UNIX)
        with session, behind, contextlib.suppress(OSError):
            if not session.recv(8).endswith(b"\x04\xd2\x16\x2f"):  # SSLRequest
                return
            session.sendall(b"S")
            with self._context.wrap_socket(session, server_side=True) as tls:
                behind.connect(self._behind)
                back = threading.Thread(target=_pump, args=(behind, tls))
                back.start()
                _pump(tls, behind)
                back.join()

    def break_off(self) -> None:
        """Ends every connection in the middle of what it carries."""
        for session in self._sessions:
            with session, contextlib.suppress(OSError):
                session.shutdown(socket.SHUT_RDWR)
        self._sessions.clear()

    def close(self) -> None:
        self.break_off()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(20)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while some := source.recv(65536):
            sink.sendall(some)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def files(tmp_path: Path) -> ServerFiles:
    return ServerFiles(tmp_path)


@pytest.fixture
def front(files: ServerFiles, postgres: PostgresServer) -> Iterator[TlsFront]:
    front = TlsFront(files, postgres)
    yield front
    front.close()


def by_tls(front: TlsFront, postgres_url: str, **parameters: object) -> str:
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    return f"postgresql://msc:{PASSWORD}@localhost:{front.port}/{make_url(postgres_url).database}?{query}"


def test_a_server_whose_certificate_holds_is_trusted(
    front: TlsFront, files: ServerFiles, postgres_url: str, clock: ManualClock
) -> None:
    url = by_tls(front, postgres_url, hostaddr="127.0.0.1", sslmode="verify-full", sslrootcert=files.ca)
    with open_store(url, clock) as store:
        assert store.policies.head().ref.version == 0


def test_a_server_of_another_issuer_is_not_and_gets_no_password(
    front: TlsFront, postgres_url: str, clock: ManualClock, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(Issuer("Another CA").pem)
    url = by_tls(front, postgres_url, hostaddr="127.0.0.1", sslmode="verify-full", sslrootcert=other)
    with pytest.raises(StoreError, match=r"certificate verify failed.*; check sslmode, sslrootcert") as refused:
        open_store(url, clock)
    assert type(refused.value) is StoreError
    assert PASSWORD not in str(refused.value)


def test_a_connection_that_breaks_off_is_no_fault_of_the_parameters(front: TlsFront, postgres_url: str) -> None:
    url = make_url(by_tls(front, postgres_url, sslmode="require")).set(drivername="postgresql+psycopg")
    engine = create_engine(url)
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        front.break_off()
        with pytest.raises(StoreUnavailable, match="the connection broke off"), store_errors(url):
            connection.execute(text("SELECT 1"))
    engine.dispose()
