"""Clients as hosts embed them, many in one process: tells when each of them is back after its authority was away.

python -m benching.load.clients '{"port": 7443, "count": 250}'

Says {"ready": true} when every client follows the authority. {"lost": true} is answered with {"lost"} when none of them
does any more, and {"back": true} with {"since": [...], "attempts": [...]} when all do again: for each client the
instant, in seconds since the epoch, and how many streams it opened to get there.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Sequence

from benching.child import allow_many_files, tell
from msc_client import PolicySource, Role
from msc_client.status import ConnectionState, SourceStatus

LOOK_AGAIN_S = 0.1
WITHIN_S = 60.0


def _all(sources: Sequence[PolicySource], wanted: Callable[[SourceStatus], bool]) -> list[SourceStatus]:
    """Returns the status of each when all are as wanted. Those that are need not be asked again."""
    deadline = time.monotonic() + WITHIN_S
    found: dict[int, SourceStatus] = {}
    while len(found) < len(sources):
        for number, source in enumerate(sources):
            if number not in found and wanted(status := source.status()):
                found[number] = status
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(sources) - len(found)} of {len(sources)} clients are not as they should be")
        time.sleep(LOOK_AGAIN_S)
    return [found[number] for number in range(len(sources))]


def _is_live(status: SourceStatus) -> bool:
    return status.connection is ConnectionState.LIVE


def _is_away(status: SourceStatus) -> bool:
    return not _is_live(status)


def follow(port: int, count: int) -> None:
    """Follows until standard input ends."""
    with contextlib.ExitStack() as open_:
        sources = []
        for number in range(count):
            source = PolicySource(f"127.0.0.1:{port}", role=Role.EXECUTOR, name=f"client-{number}", state_dir=None)
            open_.callback(source.close)
            source.start(wait_s=0.0)
            sources.append(source)
        _all(sources, _is_live)
        tell(ready=True)
        opened = [source.status().counters.reconnects for source in sources]
        for line in sys.stdin:
            if "lost" in json.loads(line):
                _all(sources, _is_away)
                tell(lost=True)
                continue
            back = _all(sources, _is_live)
            attempts = [one.counters.reconnects - before for one, before in zip(back, opened, strict=True)]
            tell(since=[one.since.timestamp() for one in back], attempts=attempts)
            opened = [one.counters.reconnects for one in back]


def main() -> None:
    """Follows as the first argument says."""
    plan = json.loads(sys.argv[1])
    allow_many_files()
    follow(int(plan["port"]), int(plan["count"]))


if __name__ == "__main__":
    main()
