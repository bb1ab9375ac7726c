"""The authority as it runs, on SQLite or a database that is named; its evaluator changes the policy every time.

python -m benching.servers.authority '{"home": FOLDER, "http": false, "database_url": "", "port": 0}'

Says {"port": ..., "http_port": ...} when it listens, the latter 0 without HTTP. Evaluate publishes the next policy;
{"stamp": true} is answered with {"version", "began_ns", "committed_ns"} of the last commit.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from benching.child import Document, tell
from benching.servers.alternating import AlternatingEvaluator
from benching.servers.loops import hear_on_the_loop, run, uvloop_factory
from msc_authority import logs
from msc_authority.adapters.sql import open_store
from msc_authority.compose.http import beside
from msc_authority.compose.parts import spared_collector, this_machine
from msc_authority.compose.running import running
from msc_authority.settings import Settings

MAX_WATCHERS = 20_000
LONG_S = 86_400.0


async def serve(home: Path, *, http: bool, database_url: str, port: int) -> None:
    """Serves until the parent ends it."""
    settings = Settings(
        home=home,
        database_url=database_url,
        grpc_port=port,
        http_port=0,
        max_watchers=MAX_WATCHERS,
        # All load comes from one address here: how much one caller may take is not what is measured.
        max_streams=MAX_WATCHERS,
        max_requests_per_s=1_000_000,
        evaluation_period_s=LONG_S,
        heartbeat_s=30,
    )
    logs.configure(settings.log_format, settings.log_level)
    machine = this_machine()
    with open_store(settings.database_url, machine.clock) as stores:
        evaluator = AlternatingEvaluator(stores.evaluations, machine.clock)
        async with beside() as pages, running(settings, stores, machine, evaluator=evaluator) as authority:

            def heard(document: Document) -> None:
                last = evaluator.stamps
                tell(version=last.version, began_ns=last.began_ns, committed_ns=last.committed_ns)

            url = pages.begin(settings, authority, machine.new_id) if http else ""
            hear_on_the_loop(heard)
            with spared_collector():
                tell(port=authority.port, http_port=int(url.rpartition(":")[2] or 0))
                await asyncio.Event().wait()


def main() -> None:
    """Serves what the first argument says."""
    plan = json.loads(sys.argv[1])
    database_url, port = plan.get("database_url", ""), plan.get("port", 0)
    run(serve(Path(plan["home"]), http=plan.get("http", False), database_url=database_url, port=port), uvloop_factory())


if __name__ == "__main__":
    main()
