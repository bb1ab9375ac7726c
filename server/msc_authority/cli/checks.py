"""What `msc doctor` looks at: each check says what it found, and what to do when that is not good."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from msc_authority.cli.credentials import credentials
from msc_authority.masking import mask_text
from msc_authority.ports.clock import Clock
from msc_authority.ports.store import StoreError
from msc_authority.settings import Settings, is_loopback

if TYPE_CHECKING:
    from msc_authority.adapters.sql.engine import Database
    from msc_authority.cli.web import WebError
    from msc_authority.rpc.plain import Plain

OLDEST_SANE = datetime(2025, 1, 1, tzinfo=UTC)
NEWEST_SANE = datetime(2100, 1, 1, tzinfo=UTC)
MAX_OFFSET_S = 1.0
FUTURE_TOLERANCE = timedelta(minutes=5)
BACKUP_OLD_AFTER = timedelta(days=2)
DEADLINE_S = 3.0


class Outcome(StrEnum):
    """How a check ended."""

    OK = "ok"
    """Nothing to do."""
    WARN = "warn"
    """It works, but somebody should know."""
    FAIL = "FAIL"
    """It does not work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at. `advice` says what to do, empty when there is nothing to do."""

    check: str
    outcome: Outcome
    detail: str
    advice: str = ""


def examine(settings: Settings, clock: Clock) -> Iterator[Finding]:
    """Yields what is found about this machine: configuration, home, database, Redis, ports, clock. Changes nothing."""
    yield from _configuration(settings)
    yield _home(settings.home)
    yield from _database(settings, clock)
    from msc_authority.cli.checks_redis import redis_finding

    yield redis_finding(settings, clock)
    port, answer, asked_at = _port(settings, clock)
    yield port
    yield _http(settings)
    yield from _clock(clock, answer, asked_at)


def _configuration(settings: Settings) -> Iterator[Finding]:
    yield Finding(check="configuration", outcome=Outcome.OK, detail="every key is known and in range")
    for notice in settings.notices():
        yield Finding(
            check="configuration",
            outcome=Outcome.WARN,
            detail=notice,
            advice='set loopback_role = "none"'
            if "loopback_role" in notice
            else "remove the setting, or leave it for later",
        )
    served = {"gRPC": settings.grpc_host} | ({"HTTP": settings.http_host} if settings.serve_http else {})
    for protocol, host in served.items():
        if not is_loopback(host):
            yield Finding(
                check="configuration",
                outcome=Outcome.WARN,
                detail=f"plaintext {protocol} on {host}: whoever reaches it can read and evaluate",
                advice="keep it inside a private network",
            )


def _home(home: Path) -> Finding:
    nearest = next(folder for folder in (home, *home.parents) if folder.exists())
    if not nearest.is_dir():
        detail = f"{nearest} is not a folder"
        return Finding(check="home", outcome=Outcome.FAIL, detail=detail, advice="set MSC_HOME or --home to another")
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        return Finding(
            check="home",
            outcome=Outcome.FAIL,
            detail=f"{nearest} cannot be written: {error.strerror}",
            advice="give this user the right to write there, make room, or set MSC_HOME to another folder",
        )
    made = f"{home} is writable" if nearest == home else f"{home} is not there yet; msc serve makes it in {nearest}"
    return Finding(check="home", outcome=Outcome.OK, detail=made)


def _database(settings: Settings, clock: Clock) -> Iterator[Finding]:
    from msc_authority.adapters.sql.engine import Database

    file = _sqlite_file(settings.database_url)
    if file is not None and not file.exists():
        yield Finding(check="database", outcome=Outcome.OK, detail=f"{file} is not there yet; msc serve makes it")
        return
    try:
        database = Database(settings.database_url)
        try:
            yield from _database_server(database)
            yield from _open_database(database, settings, clock, is_sqlite=file is not None)
        finally:
            database.close()
    except StoreError as error:
        yield Finding(
            check="database",
            outcome=Outcome.FAIL,
            detail=mask_text(f"{settings.database_url}: {error}"),
            advice="check database_url, that its server runs, and that this user may use it",
        )


def _database_server(database: Database) -> Iterator[Finding]:
    from msc_authority.adapters.sql.about import server_facts

    if database.is_sqlite:
        return
    with database.read() as connection:
        facts = server_facts(connection)
    detail = f"PostgreSQL {facts.version}, {facts.connections} of {facts.max_connections} connections in use"
    outcome, advice = Outcome.OK, ""
    if not facts.takes_writes:
        outcome, advice = Outcome.FAIL, "point database_url at the primary, or make it writable: nothing can be decided"
    elif facts.in_clear:
        outcome, advice = Outcome.WARN, "add sslmode=verify-full and sslrootcert to database_url"
    writes = "takes writes" if facts.takes_writes else "takes NO writes" + (", it is a replica" * facts.is_replica)
    detail += f"; it {writes}; {facts.tls or ('no TLS' if facts.address else 'a local socket')}"
    yield Finding(check="database server", outcome=outcome, detail=detail, advice=advice)


def _sqlite_file(url: str) -> Path | None:
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None


def _open_database(database: Database, settings: Settings, clock: Clock, *, is_sqlite: bool) -> Iterator[Finding]:
    from msc_authority.adapters.sql.audit import SqlAuditLog
    from msc_authority.adapters.sql.journal import SqlJournal
    from msc_authority.adapters.sql.policies import SqlPolicyStore
    from msc_authority.adapters.sql.schema import HEAD_REVISION, REVISIONS, revision_of

    with database.read() as connection:
        found = revision_of(connection)
        broken = _broken(connection.exec_driver_sql("PRAGMA quick_check(5)").scalars()) if is_sqlite else ""
    where = mask_text(settings.database_url)
    if broken:
        yield Finding(
            check="database",
            outcome=Outcome.FAIL,
            detail=f"{where} is damaged: {broken}",
            advice="stop the authority, keep the file, and restore a backup",
        )
    elif found == HEAD_REVISION:
        # An authority does not start on a policy that was changed behind its back; SQLite sees nothing wrong with it.
        SqlPolicyStore(database).head()
        detail = f"{where} opens, schema {found}{', integrity ok' if is_sqlite else ''}"
        yield Finding(check="database", outcome=Outcome.OK, detail=detail)
        yield from _facts(SqlJournal(database).newest_fact_at(), settings, clock)
        from msc_authority.app.upkeep import BACKUP

        newest = SqlAuditLog(database).newest_of(BACKUP)
        yield _backup(newest.at if newest is not None else None, clock)
    elif found is None or found in REVISIONS:
        detail = f"{where} opens, schema {found or 'none yet'} is older than {HEAD_REVISION}"
        serves = is_sqlite or found is None
        advice = "msc serve brings it up to date" if serves else "run msc migrate: msc serve changes no shared database"
        yield Finding(check="database", outcome=Outcome.OK if serves else Outcome.FAIL, detail=detail, advice=advice)
    else:
        yield Finding(
            check="database",
            outcome=Outcome.FAIL,
            detail=f"{where} has schema {found}, this program knows up to {HEAD_REVISION}",
            advice="use the version of msc that wrote it, or a newer one",
        )


def _backup(at: datetime | None, clock: Clock) -> Finding:
    if at is None:
        detail = "none is in the audit log; msc backup FILE makes one"
        return Finding(check="backup", outcome=Outcome.OK, detail=detail)
    age = clock.now() - at
    detail = f"the last one was made {age.total_seconds() / 3600:.1f} h ago"
    if age <= BACKUP_OLD_AFTER:
        return Finding(check="backup", outcome=Outcome.OK, detail=detail)
    advice = "see why msc-backup.timer, or whatever makes them, no longer does"
    return Finding(check="backup", outcome=Outcome.WARN, detail=detail, advice=advice)


def _broken(lines: Iterator[object]) -> str:
    found = [str(line) for line in lines]
    return "" if found == ["ok"] else "; ".join(found)


def _facts(newest: datetime | None, settings: Settings, clock: Clock) -> Iterator[Finding]:
    if newest is None:
        yield Finding(
            check="facts",
            outcome=Outcome.WARN,
            detail="the journal is empty: the policy stays DEFENSIVE",
            advice="bring in trades with msc journal import FILE, or connect an executor",
        )
        return
    age = clock.now() - newest
    if age < -FUTURE_TOLERANCE:
        yield Finding(
            check="facts",
            outcome=Outcome.FAIL,
            detail=f"the newest fact is of {newest.isoformat()}, in the future of this machine's clock",
            advice="set this machine's clock by NTP",
        )
    elif age > timedelta(seconds=settings.decision.facts_max_age_s):
        yield Finding(
            check="facts",
            outcome=Outcome.WARN,
            detail=f"the newest fact is {age.total_seconds() / 3600:.1f} h old: the policy turns DEFENSIVE",
            advice="see whether the executors still report",
        )
    else:
        yield Finding(check="facts", outcome=Outcome.OK, detail=f"the newest fact is of {newest.isoformat()}")


def _port(settings: Settings, clock: Clock) -> tuple[Finding, Plain | None, datetime]:
    if settings.grpc_port == 0 or _is_free(settings.grpc_host, settings.grpc_port):
        finding = Finding(check="port", outcome=Outcome.OK, detail=f"{settings.target} is free for msc serve")
        return finding, None, clock.now()
    from msc_authority.rpc.remote import Remote
    from msc_authority.rpc.remote_error import RemoteError

    before = clock.now()
    try:
        with Remote(settings.target, deadline_s=DEADLINE_S, credentials=credentials()) as remote:
            answer = remote.policy()
    except RemoteError as error:
        if error.reason == "POLICY_NOT_FOUND":
            detail = f"an authority answers at {settings.target}, and has no policy yet"
            return Finding(check="port", outcome=Outcome.OK, detail=detail), None, before
        if error.reason in {"TOKEN_MISSING", "TOKEN_INVALID", "TOKEN_EXPIRED", "TOKEN_REVOKED", "ROLE_MISSING"}:
            detail = f"an authority answers at {settings.target}, and refuses: {error.message} [{error.reason}]"
            advice = "give a token with --token-file or MSC_TOKEN_FILE"
            return Finding(check="port", outcome=Outcome.WARN, detail=detail, advice=advice), None, before
        finding = Finding(
            check="port",
            outcome=Outcome.FAIL,
            detail=f"{settings.target} is taken by something that is no working authority ({error.reason})",
            advice="find and stop it, or choose another port with MSC_GRPC_PORT",
        )
        return finding, None, before
    head = answer["head"]
    version = head["version"] if isinstance(head, dict) else 0
    detail = f"an authority answers at {settings.target}, policy version {version}"
    return Finding(check="port", outcome=Outcome.OK, detail=detail), answer, before


def _http(settings: Settings) -> Finding:
    from msc_authority.cli.web import Web, WebError, url_at

    if not settings.serve_http:
        return Finding(check="http", outcome=Outcome.OK, detail="off: serve_http is false")
    url = url_at(settings.http_host, settings.http_port, "https" if settings.tls else "http")
    if settings.http_port == 0 or _is_free(settings.http_host, settings.http_port):
        return Finding(check="http", outcome=Outcome.OK, detail=f"{url} is free for msc serve")
    try:
        with Web(url, answer_s=DEADLINE_S) as web:
            head = web.get("/api/msc/status").get("head")
    except WebError as error:
        return _badly_answered(url, error)
    version = head.get("version") if isinstance(head, dict) else None
    return Finding(
        check="http", outcome=Outcome.OK, detail=f"an authority answers at {url}, policy version {version or 'none'}"
    )


def _badly_answered(url: str, error: WebError) -> Finding:
    if error.reachable:
        detail = f"an authority answers at {url}, and refuses: {error.message} [{error.reason}]"
        return Finding(check="http", outcome=Outcome.WARN, detail=detail, advice="see its log")
    return Finding(
        check="http",
        outcome=Outcome.FAIL,
        detail=f"{url} is taken by something that is no working authority ({error.reason})",
        advice="find and stop it, or choose another port with MSC_HTTP_PORT",
    )


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As the server does: a connection that is still closing does not make the port taken.
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _clock(clock: Clock, answer: Plain | None, asked_at: datetime) -> Iterator[Finding]:
    first, now, second = clock.monotonic(), clock.now(), clock.monotonic()
    ntp = "set this machine's clock by NTP"
    if second < first:
        detail = "the monotonic clock runs backwards"
        yield Finding(
            check="clock", outcome=Outcome.FAIL, detail=detail, advice="report it to whoever runs this machine"
        )
    if not OLDEST_SANE <= now < NEWEST_SANE:
        yield Finding(check="clock", outcome=Outcome.FAIL, detail=f"it says {now.isoformat()}", advice=ntp)
        return
    offset_s = _offset_s(answer, asked_at, now)
    if offset_s is None:
        yield Finding(check="clock", outcome=Outcome.OK, detail=f"{now.isoformat(timespec='seconds')}, never backwards")
    elif abs(offset_s) > MAX_OFFSET_S:
        detail = f"this machine is {offset_s:+.1f} s from the authority"
        yield Finding(check="clock", outcome=Outcome.WARN, detail=detail, advice=ntp)
    else:
        yield Finding(check="clock", outcome=Outcome.OK, detail=f"within {MAX_OFFSET_S:g} s of the authority")


def _offset_s(answer: Plain | None, asked_at: datetime, answered_at: datetime) -> float | None:
    told = answer.get("server_time") if answer else None
    if not isinstance(told, str):
        return None
    middle = asked_at + (answered_at - asked_at) / 2
    return (middle - datetime.fromisoformat(told)).total_seconds()
