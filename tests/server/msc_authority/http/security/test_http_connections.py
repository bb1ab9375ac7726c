"""Connections of the HTTP server: slow ones, large ones, and those over TLS."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from msc_certificates import END, Issuer, Pair, ServerFiles
from msc_doors import a_door, an_open_door
from msc_http import DEADLINE_S, LOOPBACK, Site, a_face, problem_of, serving
from msc_live import ManualTime
from msc_observed import StillInsight

from msc_authority.adapters.tls_files import TlsFiles
from msc_authority.app.access import Role
from msc_authority.app.admission import AccessRules
from msc_authority.http import guard
from msc_authority.http.app import make_app
from msc_authority.http.security import connections
from msc_authority.http.security.connections import MAX_MESSAGE_BYTES
from msc_authority.http.serving import HttpServer, listen, url_of

GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_WITHIN_S", 0.2)
    monkeypatch.setattr(guard, "BODY_WITHIN_S", 0.2)


@contextmanager
def connected(site: Site) -> Iterator[socket.socket]:
    host, port = site.url.partition("://")[2].split(":")
    with socket.create_connection((host, int(port)), timeout=DEADLINE_S) as connection:
        yield connection


def rest_of(connection: socket.socket) -> bytes:
    """Everything up to the end, which has to come."""
    found = b""
    try:
        while part := connection.recv(65_536):
            found += part
    except ConnectionResetError:
        return found
    return found


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "sent", [b"", b"G", GET, GET + b"X-Slow: "], ids=["nothing", "a byte", "half a head", "a line"]
)
def test_a_connection_whose_head_does_not_come_is_closed(sent: bytes) -> None:
    with serving(a_face()) as site, connected(site) as connection:
        connection.sendall(sent)

        assert rest_of(connection) == b""
        assert httpx.get(f"{site.url}/healthz").status_code == 200


@pytest.mark.usefixtures("impatient")
def test_a_second_request_on_a_connection_has_to_come_in_time_too() -> None:
    with serving(a_face()) as site, connected(site) as connection:
        connection.sendall(GET + b"\r\n")
        first = connection.recv(65_536)
        connection.sendall(GET)

        assert first.startswith(b"HTTP/1.1 200 OK")
        assert b"HTTP/1.1" not in rest_of(connection)


@pytest.mark.usefixtures("impatient")
def test_a_body_that_does_not_come_is_answered_and_the_connection_closed() -> None:
    head = b"POST /api/msc/evaluate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 9"
    with serving(a_face()) as site, connected(site) as connection:
        connection.sendall(head + b"\r\n\r\n{")
        answer = rest_of(connection)

        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"BODY_TOO_SLOW" in answer
        assert httpx.get(f"{site.url}/healthz").status_code == 200


@pytest.mark.usefixtures("impatient")
def test_a_stream_of_events_may_take_its_time() -> None:
    with (
        serving(a_face(keep_alive_s=0.3)) as site,
        httpx.stream("GET", f"{site.url}/api/msc/events", timeout=DEADLINE_S) as response,
    ):
        lines = response.iter_lines()
        assert [next(line for line in lines if line.startswith(":")) for _ in range(3)]


def test_a_head_that_does_not_end_is_not_read_for_ever() -> None:
    with serving(a_face()) as site, connected(site) as connection:
        connection.sendall(GET)
        answer = b""
        try:
            for number in range(100):
                connection.sendall(b"X-%d: %s\r\n" % (number, b"x" * 4000))
            connection.sendall(b"\r\n")
            answer = rest_of(connection)
        except (BrokenPipeError, ConnectionResetError):
            answer = b""

        assert not answer.startswith(b"HTTP/1.1 200")
        assert httpx.get(f"{site.url}/healthz").status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\xff\xff" * 50,
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /login HTTP/1.1\r\n\r\n",
        b"\0" * 9,
    ],
)
def test_what_is_no_request_gets_no_answer_of_ours_and_the_server_stays_up(sent: bytes) -> None:
    with serving(a_face()) as site:
        with connected(site) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            answer = rest_of(connection)
        assert b"HTTP/1.1 200" not in answer
        assert b"Traceback" not in answer
        assert httpx.get(f"{site.url}/healthz").status_code == 200


def test_a_message_of_a_websocket_that_is_too_large_ends_it() -> None:
    face = make_app(StillInsight(), hosts=LOOPBACK, admission=an_open_door(), new_id=lambda: "id")
    with serving(face) as site, connected(site) as connection:
        connection.sendall(
            b"GET /_nicegui_ws/socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        opened = connection.recv(65_536)
        # One frame of text, masked with zeros, that announces more than is read.
        connection.sendall(b"\x81\xff" + (MAX_MESSAGE_BYTES + 1).to_bytes(8) + bytes(4) + b"x" * 100)
        told = rest_of(connection)

    assert opened.startswith(b"HTTP/1.1 101 ")
    # The frame that closes: 1009, too big. https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1
    assert (1009).to_bytes(2) in told


# TLS.


@contextmanager
def secured(
    files: ServerFiles, rules: AccessRules | None = None, time: ManualTime | None = None
) -> Iterator[tuple[str, TlsFiles]]:
    """Yields where a server answers over TLS, and its certificates."""
    source = TlsFiles(certificate=files.certificate, key=files.key, client_ca=files.ca if files.mutual else None)
    listening = listen("127.0.0.1", 0)
    url = url_of("localhost", listening, "https")
    with a_door(time or ManualTime(), rules=rules or AccessRules()) as door:
        server = HttpServer(lambda: a_face(admission=door.admission), listening, tls=source)
        server.start()
        try:
            assert server.wait_until_up(DEADLINE_S)
            yield url, source
        finally:
            server.begin_stop()
            assert server.join(DEADLINE_S)


def trusting(ca: bytes, pair: Pair | None, folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=ca.decode())
    if pair is not None:
        context.load_cert_chain(*pair.write(folder, "client"))
    return context


def status_of(url: str, ca: bytes, folder: Path, pair: Pair | None = None, path: str = "/api/msc/status") -> int | str:
    """The status of an answer, or what went wrong before there was one."""
    try:
        with httpx.Client(verify=trusting(ca, pair, folder), timeout=DEADLINE_S) as client:
            return client.get(f"{url}{path}").status_code
    except httpx.TransportError as error:
        return type(error).__name__


def test_who_trusts_the_certificate_is_served_over_tls(tmp_path: Path) -> None:
    files = ServerFiles(tmp_path)
    with secured(files) as (url, _):
        assert url.startswith("https://")
        assert status_of(url, files.issuer.pem, tmp_path) == 200
        assert status_of(url, Issuer("Somebody else").pem, tmp_path) == "ConnectError"
        with pytest.raises(httpx.TransportError):
            httpx.get(url.replace("https", "http"), timeout=DEADLINE_S)
        assert status_of(url, files.issuer.pem, tmp_path) == 200


def test_where_clients_must_show_a_certificate_its_name_gives_the_roles(tmp_path: Path) -> None:
    files = ServerFiles(tmp_path, mutual=True)
    rules = AccessRules(local=None, certificates={"grafana": frozenset({Role.READER})})
    with secured(files, rules) as (url, _):
        ca, issuer = files.issuer.pem, files.issuer
        assert status_of(url, ca, tmp_path, issuer.client("grafana")) == 200
        assert status_of(url, ca, tmp_path, issuer.client("x", "grafana")) == 200
        assert status_of(url, ca, tmp_path, issuer.client("stranger")) == 403
        assert isinstance(status_of(url, ca, tmp_path, Issuer().client("grafana")), str)
        assert isinstance(status_of(url, ca, tmp_path, issuer.expired()), str)
        assert isinstance(status_of(url, ca, tmp_path), str)


def test_a_connection_is_let_in_as_long_as_its_certificate_holds(tmp_path: Path) -> None:
    files, time = ServerFiles(tmp_path, mutual=True), ManualTime()
    time.leap((END - time.now()).total_seconds() - 1)
    rules = AccessRules(local=None, certificates={"*": frozenset({Role.READER})})
    pair = files.issuer.client("grafana")
    with (
        secured(files, rules, time) as (url, _),
        httpx.Client(verify=trusting(files.issuer.pem, pair, tmp_path), timeout=DEADLINE_S) as client,
    ):
        before = client.get(f"{url}/api/msc/status")
        time.leap(1)
        after = client.get(f"{url}/api/msc/status")

    assert before.status_code == 200
    assert (after.status_code, problem_of(after)["reason"]) == (401, "CERTIFICATE_EXPIRED")


def test_renewed_certificates_are_shown_to_new_connections(tmp_path: Path) -> None:
    files, other = ServerFiles(tmp_path, mutual=True), Issuer("Another")
    rules = AccessRules(local=None, certificates={"*": frozenset({Role.READER})})
    with secured(files, rules) as (url, source):
        ours, theirs = files.issuer.client("a"), other.client("b")
        with httpx.Client(verify=trusting(files.issuer.pem, ours, tmp_path), timeout=DEADLINE_S) as client:
            assert client.get(f"{url}/api/msc/status").status_code == 200
            files.renew(other)
            files.ca.write_bytes(other.pem)
            source.refresh()
            # The connection that is open goes on.
            assert client.get(f"{url}/api/msc/status").status_code == 200

        assert status_of(url, other.pem, tmp_path, theirs) == 200
        assert isinstance(status_of(url, other.pem, tmp_path, ours), str)
        assert status_of(url, files.issuer.pem, tmp_path, ours) == "ConnectError"


def test_broken_new_files_leave_the_old_certificate_in_service(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = ServerFiles(tmp_path)
    with secured(files) as (url, source):
        files.certificate.write_bytes(b"tomorrow")
        for _ in range(3):
            source.refresh()
        assert status_of(url, files.issuer.pem, tmp_path) == 200

    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1


def test_the_cookie_of_a_login_over_tls_is_not_sent_in_the_clear(tmp_path: Path) -> None:
    files = ServerFiles(tmp_path)
    with secured(files) as (url, _), httpx.Client(verify=trusting(files.issuer.pem, None, tmp_path)) as client:
        answer = client.post(f"{url}/logout")
        refused = client.post(f"{url}/login", data={"token": "nonsense"})
        problem = client.get(f"{url}/nowhere")

    assert "Secure" in answer.headers["Set-Cookie"]
    assert refused.status_code == 401
    assert problem_of(problem)["reason"] == "NOT_FOUND"
