"""Looks at processes from outside: what the kernel says of them, and what the authority says of itself."""

from __future__ import annotations

import os
import re
import urllib.request
from collections.abc import Mapping
from pathlib import Path

MIB_IN_KIB = 1024
ASK_WITHIN_S = 10.0

EXPORTED: Mapping[str, str] = {
    "authority: tasks of gRPC": 'msc_event_loop_tasks{loop="grpc"}',
    "authority: tasks of HTTP": 'msc_event_loop_tasks{loop="http"}',
    "authority: watches": "msc_watchers",
    "authority: event streams": "msc_event_streams",
    "authority: dashboards": "msc_dashboard_pages",
}
"""The series of /metrics that tell quantities."""
_DONE: Mapping[str, str] = {
    "versions": "msc_policy_version",
    "watches ended": "msc_watch_ends_total",
    "evaluations": "msc_evaluations_total",
    "journal rows": "msc_journal_rows_total",
}
_SERIES = re.compile(r"^(\w+)(\{[^}]*\})? (\S+)$", re.MULTILINE)


def of_process(who: str, pid: int, proc: Path = Path("/proc")) -> dict[str, float]:
    """Returns memory, threads and open files of a process, as quantities of `who`."""
    status = (proc / str(pid) / "status").read_text(encoding="ascii", errors="replace")
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return {
        f"{who}: memory": int(fields["VmRSS"].split()[0]) / MIB_IN_KIB,
        f"{who}: threads": int(fields["Threads"]),
        f"{who}: open files": len(os.listdir(proc / str(pid) / "fd")),
    }


def of_metrics(text: str) -> dict[str, float]:
    """Returns the quantities that an authority exports."""
    found = {f"{name}{labels}": float(value) for name, labels, value in _SERIES.findall(text)}
    return {quantity: found[series] for quantity, series in EXPORTED.items() if series in found}


def done(text: str) -> dict[str, int]:
    """Returns what an authority says that it has done since it started, summed up over labels."""
    totals = dict.fromkeys(_DONE, 0.0)
    for name, _, value in _SERIES.findall(text):
        for what, series in _DONE.items():
            if series == name:
                totals[what] += float(value)
    return {what: round(total) for what, total in totals.items()}


def scrape(url: str) -> str:
    """Returns /metrics."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=ASK_WITHIN_S) as answer:  # noqa: S310 -- our own address
        text: str = answer.read().decode()
    return text
