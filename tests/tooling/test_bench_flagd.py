"""flagd as a peer: what it is told to serve, and what is said where it cannot be had."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from bench_propagation import of_flagd
from benching.peers.flagd import Flagd, free_ports, numbered, replace_flags, start_flagd
from benching.run import Run, Unavailable

SIZE = 600


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with ExitStack() as stack:
        yield Run(home=tmp_path, stack=stack)


@pytest.fixture
def flagd(tmp_path: Path) -> Flagd:
    return Flagd(file=tmp_path / "flags.json", port=1, size=SIZE)


def a_go(folder: Path, *, says: str, code: int) -> None:
    """A program named go that only fails, or does nothing."""
    folder.mkdir()
    program = folder / "go"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.stderr.write({says!r})\nsys.exit({code})\n", encoding="utf-8"
    )
    program.chmod(0o755)


def test_what_is_published_is_about_as_large_as_was_asked_for(flagd: Flagd) -> None:
    flagd.publish(7)

    assert len(flagd.file.read_bytes()) == pytest.approx(SIZE, abs=8)


def test_a_file_is_one_flag_that_ends_in_the_number(flagd: Flagd) -> None:
    flagd.publish(1)
    flagd.publish(2)

    flag = json.loads(flagd.file.read_text(encoding="utf-8"))["flags"]["policy"]
    assert flag["state"] == "ENABLED"
    assert flag["variants"][flag["defaultVariant"]].endswith(numbered(2).decode())
    assert [path.name for path in flagd.file.parent.iterdir()] == [flagd.file.name]


def test_a_document_too_small_for_a_flag_is_as_large_as_a_flag(tmp_path: Path) -> None:
    replace_flags(tmp_path / "flags.json", 3, 0)

    assert numbered(3) in (tmp_path / "flags.json").read_bytes()


def test_only_what_was_published_last_is_the_last(flagd: Flagd) -> None:
    publisher = of_flagd(flagd)
    publisher.publish()
    before = flagd.file.read_bytes()
    publisher.publish()

    assert publisher.is_last(flagd.file.read_bytes())
    assert not publisher.is_last(before)


def test_the_time_runs_from_before_the_file_is_replaced(flagd: Flagd) -> None:
    publisher = of_flagd(flagd)
    publisher.publish()
    [first] = publisher.began().values()
    publisher.publish()
    [second] = publisher.began().values()

    assert 0 < first <= second


def test_free_ports_are_several_and_free() -> None:
    ports = free_ports(4)

    assert len(set(ports)) == 4
    for port in ports:
        with socket.socket() as one:
            one.bind(("127.0.0.1", port))


def test_why_it_cannot_be_had_is_said_in_the_words_of_go(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    a_go(
        run.home / "bin",
        says="go: flagd@v1: reading it: 403\n\tserver response: This version is not available.\n",
        code=1,
    )
    monkeypatch.setenv("PATH", str(run.home / "bin"))

    with pytest.raises(Unavailable, match=r"^go install: server response: This version is not available\.$"):
        start_flagd(run, size=SIZE)


def test_without_go_it_is_said_that_there_is_none(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(run.home))

    with pytest.raises(Unavailable, match="written in Go"):
        start_flagd(run, size=SIZE)
