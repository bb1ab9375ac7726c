"""What the command line hears over HTTP, and what it makes of it when that is nothing good."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from msc_web import ScriptedAuthority, a_problem, an_event
from process_harness import free_port

from msc_authority.cli.errors import CommandError, ExitCode
from msc_authority.cli.server_events import Life, ServerEvent
from msc_authority.cli.web import Web, WebError, browsing, check_url


@pytest.fixture
def authority() -> Iterator[ScriptedAuthority]:
    with ScriptedAuthority() as authority:
        yield authority


@pytest.fixture
def web(authority: ScriptedAuthority) -> Iterator[Web]:
    with Web(authority.url) as web:
        yield web


@contextmanager
def listener(*, says: bytes) -> Iterator[str]:
    """Yields the address of something that accepts one connection, says this, and stays silent then."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(says)
                if not says:
                    done.wait(30)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            done.set()
            thread.join()


def refusal(web: Web, path: str = "/x") -> WebError:
    with pytest.raises(WebError) as caught:
        web.get(path)
    return caught.value


def test_an_answer_is_returned_and_parameters_are_sent(authority: ScriptedAuthority, web: Web) -> None:
    authority.answers["/x"] = {"a": 1}

    assert web.get("/x", limit=3) == {"a": 1}
    assert authority.asked == ["/x?limit=3"]


def test_a_problem_is_a_refusal_with_its_reason_and_its_fields(authority: ScriptedAuthority, web: Web) -> None:
    fields = [{"field": "limit", "problem": "must be at most 200"}]
    authority.problems["/x"] = a_problem(422, "INVALID_REQUEST", "limit is wrong", errors=fields)

    error = refusal(web)

    assert (error.message, error.reason, error.status) == ("limit is wrong", "INVALID_REQUEST", 422)
    assert error.fields == (("limit", "must be at most 200"),)
    assert error.reachable
    assert not error.may_pass


def test_a_problem_of_a_moment_may_pass(authority: ScriptedAuthority, web: Web) -> None:
    authority.problems["/x"] = a_problem(503, "STORE_UNAVAILABLE", "the database does not answer")

    assert refusal(web).may_pass


@pytest.mark.parametrize("body", [b"<h1>hello</h1>", b"[1, 2]", b"", b"\xff\xfe"])
def test_whoever_does_not_answer_with_an_object_is_no_authority(
    body: bytes, authority: ScriptedAuthority, web: Web
) -> None:
    authority.answers["/x"] = body

    error = refusal(web)

    assert (error.reason, error.reachable, error.may_pass) == ("NOT_AN_AUTHORITY", False, True)


def test_an_error_page_of_somebody_else_is_no_refusal(web: Web) -> None:
    error = refusal(web, "/nowhere")

    assert error.reason == "NOT_AN_AUTHORITY"
    assert "404" in error.message


def test_nobody_there_is_said_in_words() -> None:
    with Web(f"http://127.0.0.1:{free_port()}") as web:
        error = refusal(web)

    assert (error.reason, error.reachable, error.message) == ("UNREACHABLE", False, "Connection refused")


def test_somebody_who_does_not_speak_http_is_unreachable() -> None:
    with listener(says=b"SSH-2.0-x\r\n") as url, Web(url) as web:
        assert refusal(web).reason == "UNREACHABLE"


def test_somebody_who_says_nothing_is_waited_for_only_so_long() -> None:
    with listener(says=b"") as url, Web(url, answer_s=0.2) as web:
        assert refusal(web).reason == "TIMEOUT"


def test_no_proxy_is_asked_for_what_is_on_this_machine(
    authority: ScriptedAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    authority.answers["/x"] = {}

    with Web(authority.url) as web:
        assert web.get("/x") == {}


def test_events_come_with_what_was_asked_for(authority: ScriptedAuthority, web: Web) -> None:
    authority.hold.set()
    authority.streams = [b"retry: 2000\n\n: life\n\n" + an_event(5, "policy", {"a": 1})]

    told = list(web.events(types="policy,block", last_id="4"))

    assert told == [Life(), ServerEvent(id="5", kind="policy", data=json.dumps({"a": 1}))]
    assert authority.asked == ["/api/msc/events?types=policy%2Cblock"]
    assert authority.last_ids == ["4"]


def test_a_stream_that_falls_silent_is_ended(authority: ScriptedAuthority, web: Web) -> None:
    authority.hold.clear()
    authority.streams = [an_event(1, "policy", {})]
    stream = web.events(silence_s=0.1)

    assert isinstance(next(stream), ServerEvent)
    with pytest.raises(WebError) as caught:
        next(stream)
    assert caught.value.reason == "SILENT"


def test_a_stream_that_never_begins_is_no_silent_one() -> None:
    with listener(says=b"") as url, Web(url) as web, pytest.raises(WebError) as caught:
        list(web.events(silence_s=0.1))
    assert caught.value.reason == "TIMEOUT"


def test_a_stream_that_is_refused_says_why(authority: ScriptedAuthority, web: Web) -> None:
    authority.problems["/api/msc/events"] = a_problem(503, "TOO_MANY_STREAMS", "256 streams are open already")

    with pytest.raises(WebError, match="256 streams") as caught:
        list(web.events())
    assert caught.value.status == 503


def test_a_page_where_events_should_be_is_no_authority() -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"

    with listener(says=page) as url, Web(url) as web, pytest.raises(WebError) as caught:
        list(web.events())
    assert caught.value.reason == "NOT_AN_AUTHORITY"


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8000", "ftp://x", "http://", "http://x:0", "http://x:99999", "http://[::1"]
)
def test_what_is_no_address_is_a_usage_error(url: str) -> None:
    with pytest.raises(CommandError) as caught:
        check_url(url)

    assert caught.value.code is ExitCode.USAGE
    assert "--url" in caught.value.advice


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "https://msc.example", "http://[::1]:8000/"])
def test_what_is_an_address_is_taken(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (WebError("gone", reason="UNREACHABLE"), ExitCode.UNREACHABLE, ("no authority answers", "gone")),
        (WebError("bad", reason="INVALID", status=422), ExitCode.REFUSED, ("refused: bad", "[INVALID]")),
        (
            WebError("bad", reason="INVALID", status=422, fields=[("limit", "is 0")]),
            ExitCode.REFUSED,
            ("(limit: is 0)",),
        ),
    ],
)
def test_an_error_ends_a_command_with_its_code(error: WebError, code: ExitCode, words: tuple[str, ...]) -> None:
    with pytest.raises(CommandError) as caught, browsing("http://127.0.0.1:1"):
        raise error

    assert caught.value.code is code
    assert all(word in caught.value.message for word in words)
