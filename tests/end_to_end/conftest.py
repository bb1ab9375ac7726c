"""Fixtures of the end-to-end tests: real processes on loopback, each in a home of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from process_harness import AuthorityProcess, WatchingClient


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[AuthorityProcess]:
    """A running authority with an empty journal."""
    process = AuthorityProcess(home=tmp_path / "authority")
    try:
        yield process.start()
    finally:
        process.close()


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Callable[..., WatchingClient]]:
    """Starts client processes that watch; all share one state folder unless `home` is given."""
    started: list[WatchingClient] = []

    def start(target: str, *, home: Path | None = None, **config: float) -> WatchingClient:
        client = WatchingClient(target, home or tmp_path / "watching", **config)
        started.append(client)
        return client

    yield start
    for client in started:
        client.close()
