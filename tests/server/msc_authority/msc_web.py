"""An authority's HTTP side by hand: a real server on loopback that answers what a test tells it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

Document = dict[str, object]


class ScriptedAuthority:
    """Answers documents by path, and streams of events one after another. Close it; `with` does."""

    def __init__(self, port: int = 0) -> None:
        """Listens at once. Port 0 takes a free one."""
        self.answers: dict[str, Document | bytes] = {"/healthz": {"status": "ok"}}
        self.problems: dict[str, tuple[int, Document]] = {}
        self.streams: list[bytes] = []
        self.asked: list[str] = []
        self.last_ids: list[str] = []
        self.hold = threading.Event()
        self.hold.set()
        handler = type("Handler", (_Handler,), {"authority": self})
        self._server = _Server(("127.0.0.1", port), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stops it. Streams that are still open end."""
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> ScriptedAuthority:
        """Returns itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes it."""
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    authority: ClassVar[ScriptedAuthority]

    def do_GET(self) -> None:
        authority, parts = self.authority, urlsplit(self.path)
        authority.asked.append(self.path)
        if parts.path in authority.problems:
            status, problem = authority.problems[parts.path]
            self._send(status, "application/problem+json", json.dumps(problem).encode())
        elif parts.path == "/api/msc/events":
            self._stream(parse_qs(parts.query))
        elif parts.path in authority.answers:
            found = authority.answers[parts.path]
            body = found if isinstance(found, bytes) else json.dumps(found).encode()
            self._send(200, "application/json", body)
        else:
            self._send(404, "text/html", b"<h1>Not found</h1>")

    def _stream(self, _: Mapping[str, Sequence[str]]) -> None:
        authority = self.authority
        authority.last_ids.append(self.headers.get("Last-Event-ID", ""))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.end_headers()
        self.wfile.write(authority.streams.pop(0) if authority.streams else b"")
        self.wfile.flush()
        authority.hold.wait(30)

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: the test asserts what was asked."""


def an_event(number: int, kind: str, data: Mapping[str, object]) -> bytes:
    """Returns one event of the stream."""
    return f"id: {number}\nevent: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def a_problem(status: int, reason: str, detail: str, **more: object) -> tuple[int, Document]:
    """Returns a refusal."""
    return status, {"type": "about:blank", "title": "No", "status": status, "detail": detail, "reason": reason, **more}


def a_policy(version: int = 12, **changes: object) -> Document:
    """Returns a NORMAL policy."""
    return {
        "ref": {"epoch": 1, "version": version, "etag": '"e"'},
        "risk_mode": "NORMAL",
        "trading_state": "ACTIVE",
        "allowed_strategies": ["TREND_001", "MOMENTUM_001"],
        "max_risk_per_trade": 0.0075,
        "global_min_confidence": 0.6,
        "max_positions": 10,
        "max_daily_trades": 30,
        "created_at": "2026-01-02T00:00:00Z",
        "reasons": [],
        "author": "controller",
        "valid_for_s": 3600.0,
        **changes,
    }


def a_metric(name: str = "drawdown_pct", **changes: object) -> Document:
    """Returns a metric in good order: 1.2 where 3 is the line."""
    return {
        "name": name,
        "value": 1.2,
        "threshold": 3.0,
        "margin": 1.8,
        "sample_size": 900,
        "warning_points": 0,
        **changes,
    }


def a_health(*metrics: Document, **changes: object) -> Document:
    """Returns a health report of these metrics."""
    return {
        "as_of": "2026-01-02T03:00:00Z",
        "system_health": "GOOD",
        "warning_points": 0,
        "mode_target": "NORMAL",
        "mode_after": "NORMAL",
        "reasons": [],
        "metrics": list(metrics or (a_metric(),)),
        **changes,
    }


def a_status(**changes: object) -> Document:
    """Returns the status of a calm authority."""
    return {
        "server_id": "s",
        "time": "2026-01-02T03:04:05Z",
        "policy": a_policy(),
        "head": {"epoch": 1, "version": 12, "etag": '"e"'},
        "freshness": {"replica_age_s": 0.2, "ttl_s": 3480.0},
        "risk_mode_since": "2026-01-02T00:00:00Z",
        "risk_mode_for_s": 11_045.0,
        "trading_state_since": "2026-01-01T00:00:00Z",
        "mode_shares": {
            "since": "2025-12-03T00:00:00Z",
            "defensive_fraction": 0.12,
            "normal_fraction": 0.66,
            "aggressive_fraction": 0.22,
        },
        "health": a_health(),
        "next_evaluation_in_s": 754.0,
        "last_evaluation": None,
        "last_failure": None,
        "watchers": 3,
        "clients": {"total": 2, "by_tier": {"FRESH": 2}, "behind": 0},
        "signals": {
            "seen_last_hour": 30,
            "blocked_last_hour": 12,
            "blocked_fraction": 0.4,
            "blocked_by_reason": {"CONFIDENCE_TOO_LOW": 4, "STRATEGY_NOT_ALLOWED": 8},
        },
        "alerts": {"firing": 0, "critical": 0},
        "versions": {"msc": "0.1.0", "python": "3.11", "contract": "msc_policy.v1"},
        "store_unavailable": False,
        **changes,
    }


def a_client(name: str = "executor-BTCUSDT", **changes: object) -> Document:
    """Returns a client that applies the head."""
    return {
        "instance_id": f"{name}-1",
        "name": name,
        "role": "EXECUTOR",
        "tier": "FRESH",
        "applied": {"epoch": 1, "version": 12},
        "age_s": 0.8,
        "last_error": "",
        "reported_at": "2026-01-02T03:04:00Z",
        "report_age_s": 4.0,
        "watching": True,
        "versions_behind": 0,
        "behind_for_s": 0.0,
        **changes,
    }


def a_laggard(name: str = "guard-1", **changes: object) -> Document:
    """Returns a client two versions behind."""
    behind: Document = {"role": "RISK_GUARD", "tier": "STALE", "versions_behind": 2, "behind_for_s": 95.0}
    return a_client(name, **{**behind, "applied": {"epoch": 1, "version": 10}, "age_s": 95.0, **changes})


def a_strategy(strategy_id: str = "TREND_001", rank: int = 1, **changes: object) -> Document:
    """Returns a ranked strategy that may open positions."""
    return {
        "strategy_id": strategy_id,
        "rank": rank,
        "state": "ACTIVE",
        "allowed": True,
        "score": 0.12,
        "probability_positive": 0.97,
        "effective_n": 88.4,
        "winrate_fraction": 0.55,
        "net_pnl": "1234.5678",
        **changes,
    }


def an_alert(code: str = "CLIENT_BEHIND", **changes: object) -> Document:
    """Returns a warning that fires."""
    return {
        "code": code,
        "subject": "guard-1",
        "severity": "warning",
        "state": "firing",
        "title": "A client is behind",
        "text": "guard-1 is 2 versions behind for 95 s",
        "advice": "look at its log",
        "anchor": "alert-client-behind",
        "link": "http://127.0.0.1:8000/troubleshooting#alert-client-behind",
        "value": 2.0,
        "pending_since": "2026-01-02T03:02:00Z",
        "firing_since": "2026-01-02T03:03:00Z",
        "resolved_at": None,
        **changes,
    }


def a_critical_alert(**changes: object) -> Document:
    """Returns a critical alert that fires for the whole system."""
    told = {"severity": "critical", "subject": "", "text": "in DEFENSIVE for 3700 s", "advice": "look at msc health"}
    return an_alert("DEFENSIVE_TOO_LONG", **{**told, **changes})


def answer_all(authority: ScriptedAuthority, status: Document, *, alerts: Sequence[Document] = ()) -> None:
    """Lets it answer everything that the command line asks for."""
    authority.answers |= {
        "/api/msc/status": status,
        "/api/msc/strategies": {
            "as_of": "2026-01-02T03:00:00Z",
            "strategies": [a_strategy(), a_strategy("RANGE_003", 2, state="SHADOW", allowed=False)],
        },
        "/api/msc/clients": {"head": {"epoch": 1, "version": 12}, "clients": [a_client(), a_laggard()]},
        "/api/msc/alerts": {"alerts": list(alerts)},
    }
