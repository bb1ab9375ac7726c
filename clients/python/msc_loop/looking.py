"""Where people look at a run: commands that work as they are printed."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator

from msc_authority.cli.options import DEFAULT_TARGET, DEFAULT_URL
from msc_authority.settings import DATABASE_FILE_NAME
from msc_loop.plan import LoopPlan

RECENT_POLICIES = (
    "SELECT created_at, risk_mode, max_risk_per_trade, max_positions "
    "FROM msc_policies ORDER BY created_at DESC LIMIT 10"
)


def where_to_look(plan: LoopPlan, target: str, url: str | None) -> Iterator[str]:
    """Yields a line for each way in: dashboard, command line, grpcurl, log, database. `url` None: there is no HTTP."""
    at_target = "" if target == DEFAULT_TARGET else f" --target {target}"
    if url is not None:
        at_url = "" if url == DEFAULT_URL else f" --url {url}"
        yield f"dashboard  {url}/"
        yield f"REST       curl {url}/api/msc/status"
        yield f"terminal   msc top{at_url}; msc alerts{at_url}; msc events --follow{at_url}"
    yield f"gRPC       msc status{at_target}; msc watch{at_target}; grpcurl -plaintext {target} list"
    yield f"log        grep 'MSC AI' {shlex.quote(str(plan.log))}"
    yield f"database   {query(plan, RECENT_POLICIES)}"


def query(plan: LoopPlan, sql: str) -> str:
    """Returns a shell command that runs a query on the run's database, with what this machine has."""
    file = str(plan.home / DATABASE_FILE_NAME)
    if shutil.which("sqlite3"):
        return f'sqlite3 -readonly {shlex.quote(file)} "{sql}"'
    program = f"import sqlite3; print(*sqlite3.connect({file!r}).execute({sql!r}), sep='\\n')"
    return f"python3 -c {shlex.quote(program)}"
