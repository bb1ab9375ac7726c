"""The README's commands run as printed.

A fenced block of the README counts when the line above its fence is one of

    <!-- runnable: PATTERN -->            it ends with exit code 0, and its output has a match of PATTERN
    <!-- runnable news: PATTERN -->       likewise, but the news may be bad: exit code 1
    <!-- runnable stream: PATTERN -->     it does not end; its output has a match of PATTERN before it is stopped
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from process_harness import AuthorityProcess, free_port, until

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 60.0
LANGUAGES = ("sh", "python")
MARK = re.compile(r"^<!-- runnable(?: (?P<kind>news|stream))?: (?P<pattern>.+) -->$")
FENCE = re.compile(r"^```(?P<language>\w*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentCommand:
    """One runnable block. `line` is where its mark stands."""

    line: int
    language: str
    text: str
    pattern: str
    streams: bool
    good_exits: tuple[int, ...]

    @property
    def title(self) -> str:
        """A name for test reports."""
        return f"line {self.line}: {self.text.splitlines()[0]}"

    def at(self, port: int, http_port: int) -> DocumentCommand:
        """The same command for an authority on other ports than the default ones."""
        return replace(self, text=self.text.replace(":7443", f":{port}").replace(":8000", f":{http_port}"))


class BadDocument(ValueError):
    """A mark that is not followed by a block that can run."""


def runnable_commands(document: Path) -> list[DocumentCommand]:
    """Returns the runnable blocks in their order. Raises BadDocument for a mark without such a block."""
    lines = document.read_text(encoding="utf-8").splitlines()
    marked = ((number, MARK.match(line)) for number, line in enumerate(lines, start=1))
    return [_command(lines, number, mark) for number, mark in marked if mark]


def _command(lines: list[str], number: int, mark: re.Match[str]) -> DocumentCommand:
    fence = FENCE.match(lines[number]) if number < len(lines) else None
    if fence is None or fence["language"] not in LANGUAGES or "```" not in lines[number + 1 :]:
        raise BadDocument(f"line {number}: a mark stands right above a fenced block of {' or '.join(LANGUAGES)}")
    end = lines.index("```", number + 1)
    return DocumentCommand(
        line=number,
        language=fence["language"],
        text="\n".join(lines[number + 1 : end]),
        pattern=mark["pattern"],
        streams=mark["kind"] == "stream",
        good_exits=(0, 1) if mark["kind"] == "news" else (0,),
    )


def _document(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "README.md"
    path.write_text(text)
    return path


def test_marked_blocks_are_found_and_others_are_not(tmp_path: Path) -> None:
    found = runnable_commands(
        _document(
            tmp_path,
            "```sh\nrm -r everything\n```\n"
            "<!-- runnable: all good -->\n```sh\nmsc status\nmsc health\n```\n"
            '<!-- runnable stream: "x" -->\n```python\nwatch("127.0.0.1:7443")\n```\n'
            "<!-- runnable news: POOR -->\n```sh\nmsc health\n```\n",
        )
    )

    assert [(command.line, command.language, command.streams, command.good_exits) for command in found] == [
        (4, "sh", False, (0,)),
        (9, "python", True, (0,)),
        (13, "sh", False, (0, 1)),
    ]
    assert [command.pattern for command in found] == ["all good", '"x"', "POOR"]
    assert found[0].text == "msc status\nmsc health"


def test_a_command_can_be_sent_to_other_ports(tmp_path: Path) -> None:
    text = "<!-- runnable: x -->\n```sh\nlist 127.0.0.1:7443\ncurl localhost:8000/docs\n```\n"
    (command,) = runnable_commands(_document(tmp_path, text))

    assert command.at(12, 34).text == "list 127.0.0.1:12\ncurl localhost:34/docs"
    assert command.at(12, 34).pattern == command.pattern


@pytest.mark.parametrize(
    "text",
    [
        "<!-- runnable: x -->",
        "<!-- runnable: x -->\n\n```sh\nls\n```\n",
        "<!-- runnable: x -->\n```json\n{}\n```\n",
        "<!-- runnable: x -->\n```sh\nls\n",
    ],
)
def test_a_mark_without_a_block_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadDocument, match="line 1"):
        runnable_commands(_document(tmp_path, text))


def test_the_readme_has_commands_that_run() -> None:
    commands = runnable_commands(ROOT / "README.md")

    assert {command.language for command in commands} == {"sh", "python"}
    assert any(command.streams for command in commands)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuthorityProcess]:
    """The authority as `msc serve --demo` starts it: with the sample journal."""
    process = AuthorityProcess(home=tmp_path_factory.mktemp("home"), http_port=free_port(), arguments=("--demo",))
    try:
        yield process.start()
    finally:
        process.close()


@pytest.mark.parametrize("command", runnable_commands(ROOT / "README.md"), ids=lambda command: command.title)
def test_a_command_of_the_readme_runs_as_printed(
    command: DocumentCommand, authority: AuthorityProcess, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    with output.open("wb") as sink:
        process = subprocess.Popen(
            _interpreted(command.at(authority.port, authority.http_port or 0)),
            cwd=ROOT,
            env=_environment(authority, tmp_path),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        if command.streams:
            until(lambda: _matches(command, output) or process.poll() is not None, deadline_s=DEADLINE_S)
            assert process.poll() is None, f"it ended:\n{output.read_text()}"
        else:
            assert process.wait(DEADLINE_S) in command.good_exits, output.read_text()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(DEADLINE_S)
    assert _matches(command, output), output.read_text()


def _interpreted(command: DocumentCommand) -> list[str]:
    if command.language == "python":
        return [sys.executable, "-W", "error", "-c", command.text]
    return ["bash", "-euo", "pipefail", "-c", command.text]


def _environment(authority: AuthorityProcess, home: Path) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    reached = {"MSC_TARGET": authority.target, "MSC_URL": authority.url}
    return os.environ | {"PATH": path, "MSC_HOME": str(home), "NO_COLOR": "1", **reached}


def _matches(command: DocumentCommand, output: Path) -> bool:
    return re.search(command.pattern, output.read_text(errors="replace")) is not None
