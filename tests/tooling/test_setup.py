"""scripts/setup.sh: what makes it install anew, what does not, and what it says when it cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[2] / "scripts" / "setup.sh"
TOOLS = ("bash", "cksum", "cat", "rm", "mkdir", "id", "cut", "sleep", "grep")

# Stands for pip: notes what it was asked to install, and refuses uvloop when it is told to.
PIP_STUB = """
import os, sys
with open("pip-calls", "a", encoding="utf-8") as log:
    print(*sys.argv[1:], file=log)
if "uvloop" in sys.argv and os.environ.get("NO_UVLOOP"):
    sys.exit("no matching distribution found for uvloop")
"""


class Project:
    """A folder with a project file and a .venv that has been made, but holds nothing yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "pyproject.toml").write_text("[project]\n")
        # The stub stands in for our package, so that a finished installation looks like one.
        stubs = folder / "stubs"
        (stubs / "pip").mkdir(parents=True)
        (stubs / "pip" / "__init__.py").touch()
        (stubs / "pip" / "__main__.py").write_text(PIP_STUB)
        (stubs / "msc_authority").mkdir()
        (stubs / "msc_authority" / "__init__.py").touch()
        self.make_venv()

    def make_venv(self) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.folder / ".venv"], check=True)
        (self.folder / ".venv" / "bin" / "pip").write_text(f"#!{self.folder}/.venv/bin/python\n")

    def set_up(self, extras: str = "authority,fast", **environ: str) -> subprocess.CompletedProcess[str]:
        command = ["bash", "-c", f'set -euo pipefail; source "{SETUP}"; setup_venv "{extras}"']
        environment = {**os.environ, "PYTHONPATH": str(self.folder / "stubs"), **environ}
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    def installed(self) -> list[str]:
        """What pip was asked for, and forgets it."""
        log = self.folder / "pip-calls"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [line.rpartition(" ")[2] for line in lines]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def path_with(folder: Path, **programs: str) -> str:
    """A PATH that holds a few tools and the programs given as shell scripts."""
    folder.mkdir()
    for tool in TOOLS:
        if found := shutil.which(tool):
            (folder / tool).symlink_to(found)
    for name, script in programs.items():
        (folder / name).write_text(f"#!/bin/bash\n{script}\n")
        (folder / name).chmod(0o755)
    return str(folder)


def test_the_first_start_installs_and_the_second_does_nothing(project: Project) -> None:
    assert project.set_up().returncode == 0
    assert project.installed() == [".[authority,fast]"]

    second = project.set_up()

    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert project.installed() == []


def test_a_changed_project_file_installs_anew(project: Project) -> None:
    project.set_up()
    (project.folder / "pyproject.toml").write_text("[project]\ndependencies = []\n")
    project.installed()

    project.set_up()

    assert project.installed() == [".[authority,fast]"]


def test_fewer_extras_are_covered_and_more_are_installed(project: Project) -> None:
    project.set_up("authority,fast")
    project.installed()

    project.set_up("authority")
    assert project.installed() == []
    project.set_up("authority,fast,dev")
    assert project.installed() == [".[authority,fast,dev]"]


def test_without_a_wheel_of_uvloop_the_rest_is_installed(project: Project) -> None:
    result = project.set_up("authority,fast,dev", NO_UVLOOP="1")

    assert result.returncode == 0
    assert "going on without it" in result.stderr
    assert project.installed() == [".[authority,fast,dev]", ".[authority,dev]"]


def test_a_folder_that_was_moved_gets_a_new_venv(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    Project(tmp_path / "old").set_up()
    (tmp_path / "old").rename(tmp_path / "new")

    result = subprocess.run(
        ["bash", "-c", f'source "{SETUP}"; setup_is_current "authority" || setup_venv_works'],
        cwd=tmp_path / "new",
        env={**os.environ, "PYTHONPATH": str(tmp_path / "new" / "stubs")},
        check=False,
    )

    assert result.returncode != 0


def test_an_installation_that_failed_is_tried_again(project: Project) -> None:
    (project.folder / "stubs" / "pip" / "__main__.py").write_text("import sys; sys.exit('no network')")
    failed = project.set_up("authority")
    assert failed.returncode == 1
    assert "no network" in failed.stderr
    assert not (project.folder / ".venv" / "msc-setup-stamp").exists()

    (project.folder / "stubs" / "pip" / "__main__.py").write_text(PIP_STUB)
    assert project.set_up("authority").returncode == 0


def test_without_a_new_enough_python_it_says_so(project: Project, tmp_path: Path) -> None:
    shutil.rmtree(project.folder / ".venv")
    path = path_with(tmp_path / "bin", python3="exit 1")

    result = project.set_up(PATH=path)

    assert result.returncode == 1
    assert "No Python >= 3.11 on PATH" in result.stderr


def test_a_python_without_ensurepip_is_named_with_what_to_install(project: Project, tmp_path: Path) -> None:
    shutil.rmtree(project.folder / ".venv")
    path = path_with(tmp_path / "bin", python3='[[ "$*" != *ensurepip* ]]')

    result = project.set_up(PATH=path)

    assert result.returncode == 1
    assert "python3-venv" in result.stderr


@pytest.mark.parametrize("with_flock", [True, False])
def test_two_starts_at_once_install_once(with_flock: bool, project: Project, tmp_path: Path) -> None:
    path = path_with(tmp_path / "bin")
    if with_flock:
        found = shutil.which("flock")
        if found is None:
            pytest.skip("this machine has no flock")
        (tmp_path / "bin" / "flock").symlink_to(found)
    environment = {**os.environ, "PYTHONPATH": str(project.folder / "stubs"), "PATH": path, "TMPDIR": str(tmp_path)}
    command = [str(shutil.which("bash")), "-c", f'set -euo pipefail; source "{SETUP}"; setup_venv "authority"']

    starts = [
        subprocess.Popen(command, cwd=project.folder, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    errors = [start.communicate(timeout=60)[1] for start in starts]

    assert [start.returncode for start in starts] == [0, 0, 0], errors
    assert project.installed() == [".[authority]"]
    assert list(tmp_path.glob("msc-setup-*")) == []
