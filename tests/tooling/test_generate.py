"""scripts/generate.py writes what the contract says, and notices what it does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

Load = Callable[[str], ModuleType]


@pytest.fixture
def generate(script: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script with a made-up language "words", committed in a temporary folder."""
    module = script("generate")
    monkeypatch.setattr(module, "GENERATED", tmp_path)
    _speak(module, monkeypatch, {"a.txt": "one\n", "deep/b.txt": "two\n"})
    return module


def _speak(module: ModuleType, monkeypatch: pytest.MonkeyPatch, files: dict[str, str]) -> None:
    def write(out: Path) -> None:
        for name, text in files.items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_text(text)

    monkeypatch.setattr(module, "LANGUAGES", (module.Language(name="words", write=write),))


def test_what_was_written_is_current(generate: ModuleType) -> None:
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0


@pytest.mark.parametrize(
    ("committed", "shown"),
    [
        ({"a.txt": "one\n", "deep/b.txt": "2\n"}, "-2\n+two"),
        ({"a.txt": "one\n"}, "+two"),
        ({"a.txt": "one\n", "deep/b.txt": "two\n", "left.txt": "over\n"}, "-over"),
    ],
)
def test_a_difference_is_printed_and_fails(
    generate: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], committed: dict[str, str], shown: str
) -> None:
    for name, text in committed.items():
        (tmp_path / "words" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "words" / name).write_text(text)

    assert generate.main(["--check"]) == 1

    printed = capsys.readouterr().out
    assert shown in printed
    assert "words: STALE" in printed


def test_checking_writes_nothing(generate: ModuleType, tmp_path: Path) -> None:
    generate.main(["--check"])

    assert list(tmp_path.iterdir()) == []


def test_files_the_contract_no_longer_makes_are_removed(
    generate: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate.main([])
    _speak(generate, monkeypatch, {"a.txt": "one\n"})

    generate.main([])

    assert [path.name for path in (tmp_path / "words").rglob("*.txt")] == ["a.txt"]


@pytest.mark.parametrize(("required", "exit_code", "word"), [("", 0, "skipped"), ("1", 1, "FAILED")])
def test_a_missing_toolchain_is_named_and_fails_only_where_it_is_required(
    generate: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    required: str,
    exit_code: int,
    word: str,
) -> None:
    def write(_out: Path) -> None:
        raise generate.ToolchainMissing("no compiler for words")

    monkeypatch.setattr(generate, "LANGUAGES", (generate.Language(name="words", write=write),))
    monkeypatch.setenv("MSC_REQUIRE_TOOLCHAINS", required)

    assert generate.main(["--check"]) == exit_code
    assert capsys.readouterr().out == f"words: {word}: no compiler for words\n"


def test_a_language_nobody_speaks_is_a_usage_error(generate: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        generate.main(["klingon"])

    assert "unknown language: klingon; choose from words" in capsys.readouterr().err


def test_other_versions_of_the_generators_are_refused(script: Load, tmp_path: Path) -> None:
    module = script("generate")
    module.PINS["mypy-protobuf"] = "0.0.1"

    with pytest.raises(module.ToolchainMissing, match=r"mypy-protobuf==0\.0\.1 is needed, installed is \d"):
        module.write_python(tmp_path)


def test_the_cache_is_filled_once_and_never_half(script: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = script("generate")
    monkeypatch.setenv("MSC_TOOLCHAIN_CACHE", str(tmp_path))
    filled: list[Path] = []

    def fail(into: Path) -> None:
        (into / "half").touch()
        raise module.ToolchainMissing("no network")

    def fill(into: Path) -> None:
        filled.append(into)
        (into / "tool").touch()

    with pytest.raises(module.ToolchainMissing):
        module._cached("tools", fail)
    assert list(tmp_path.iterdir()) == []
    first, second = module._cached("tools", fill), module._cached("tools", fill)

    assert first == second == tmp_path / "tools"
    assert len(filled) == 1
    assert [path.name for path in first.iterdir()] == ["tool"]


def test_the_generators_match_the_floors_of_the_runtimes(script: Load, root: Path) -> None:
    pins = script("generate").PINS
    project = (root / "pyproject.toml").read_text()

    assert f'"grpcio>={pins["grpcio-tools"]}"' in project
    assert f'"grpcio-tools=={pins["grpcio-tools"]}"' in project
    assert f'"mypy-protobuf=={pins["mypy-protobuf"]}"' in project
    assert f"v{pins['google.golang.org/grpc']}" in (root / "clients" / "go" / "go.mod").read_text()
    assert (
        f'"@bufbuild/protobuf": "{pins["protoc-gen-es"]}"'
        in (root / "clients" / "typescript" / "package.json").read_text()
    )
