"""scripts/shape.py finds what has lost its shape."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

Write = Callable[[str, str], str]


@pytest.fixture
def shape(script: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = script("shape")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, text: str) -> str:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        return name

    return write


def test_a_module_of_401_lines_is_too_large_and_generated_code_is_not_judged(shape: ModuleType, write: Write) -> None:
    files = [
        write("server/large.py", "x = 1\n" * 401),
        write("server/full.py", "x = 1\n" * 400),
        write("generated/python/large.py", "x = 1\n" * 401),
    ]

    assert shape._large_modules(files) == ["server/large.py: 401 lines; split it at 400"]


@pytest.mark.parametrize(("tests", "good"), [(99, False), (100, True), (200, True), (201, False)])
def test_tests_are_between_one_and_two_lines_a_line(shape: ModuleType, write: Write, tests: int, good: bool) -> None:
    files = [write("server/a.py", "x = 1\n" * 100), write("tests/test_a.py", "x = 1\n" * tests)]

    assert (shape._bad_ratio(files) == []) is good


# With an @ in each, so that the rule does not find this file.
@pytest.mark.parametrize("trace", ["/@work/main/x", "see /@tmp/notes.md", "https://py@pi.org/simple"])
def test_a_trace_of_the_machine_is_found_with_its_line(shape: ModuleType, write: Write, trace: str) -> None:
    name = write("README.md", f"first\n{trace.replace('@', '')}\n")

    assert [complaint.split(": ")[0] for complaint in shape._machine_traces([name])] == ["README.md:2"]


@pytest.mark.parametrize("text", ["homework/answers", "src/tmp/x", "/work", "a/root/b"])
def test_what_only_looks_like_a_path_of_a_machine_is_left_alone(shape: ModuleType, write: Write, text: str) -> None:
    assert shape._machine_traces([write("README.md", text)]) == []


def test_the_committed_and_the_new_files_are_looked_at_but_not_the_ignored(script: Callable[[str], ModuleType]) -> None:
    files = script("shape")._tracked()

    assert "scripts/shape.py" in files
    assert not [name for name in files if name.startswith((".venv/", "clients/typescript/node_modules/"))]
