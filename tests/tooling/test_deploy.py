"""The files for deployment say nothing that the program, systemd or a reader of YAML does not understand."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import pytest
import yaml  # type: ignore[import-untyped]  # ships no type information
from msc_words import check_command, mentioned_commands

from msc_authority.settings import Settings
from msc_authority.settings_environment import SECRETS

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "server/deploy"
UNITS = sorted(path for path in (DEPLOY / "systemd").rglob("*") if path.is_file())
VARIABLES = {f"MSC_{key.upper()}" for key in Settings.model_fields} | {f"MSC_{key.upper()}_FILE" for key in SECRETS}
Document = Mapping[str, object]


@pytest.fixture(scope="module")
def compose() -> Document:
    return cast("Document", yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text()))


def parts_of(compose: Document, name: str) -> dict[str, Document]:
    return cast("dict[str, Document]", compose[name])


def values_of(unit: Path, key: str) -> list[str]:
    lines = (line.partition("=") for line in unit.read_text().splitlines() if not line.startswith("#"))
    return [value for name, _, value in lines if name == key]


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_variables_of_a_unit_are_those_of_the_program(unit: Path) -> None:
    names = {value.partition("=")[0] for value in values_of(unit, "Environment")}

    assert names <= VARIABLES


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_secret_of_a_unit_is_one_that_systemd_hands_over(unit: Path) -> None:
    handed = {value.partition(":")[0] for value in values_of(unit, "LoadCredential")}
    read = {value.partition("=%d/")[2] for value in values_of(unit, "Environment") if "=%d/" in value}

    assert handed == read


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_commands_of_a_unit_are_those_of_the_program(unit: Path) -> None:
    commands = [line for key in ("ExecStart", "ExecStartPre") for line in values_of(unit, key)]
    ours = re.findall(r"/opt/msc/bin/(msc [^']+)", "\n".join(commands))

    assert len(ours) == sum("/opt/msc/bin/msc" in line for line in commands)
    for command in ours:
        check_command(shlex.split(command))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_has_nothing_to_say_about_the_units(tmp_path: Path) -> None:
    binaries = Path(sys.executable).parent
    shutil.copytree(DEPLOY / "systemd", tmp_path / "units")
    for unit in (tmp_path / "units").rglob("*.*"):
        if unit.is_file():
            unit.write_text(unit.read_text().replace("/opt/msc/bin", str(binaries)))
    names = [str(tmp_path / "units" / path.name) for path in UNITS if path.suffix in {".service", ".timer"}]

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names], capture_output=True, text=True, check=False, timeout=60
    )

    # Other units of the machine are read, too, and may have faults of their own.
    assert [line for line in done.stderr.splitlines() if "msc-" in line] == []


def test_the_authority_is_confined() -> None:
    unit = DEPLOY / "systemd/msc-authority.service"

    for key, value in {
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "DynamicUser": "yes",
        "CapabilityBoundingSet": "",
        "Restart": "always",
        "Type": "notify",
    }.items():
        assert values_of(unit, key) == [value], key


def test_the_backup_runs_as_the_user_of_the_authority() -> None:
    for key in ("User", "DynamicUser", "StateDirectory", "Environment", "LoadCredential"):
        both = [values_of(DEPLOY / f"systemd/{name}.service", key) for name in ("msc-authority", "msc-backup")]
        assert both[0] == both[1], key


def test_variables_of_the_containers_are_those_of_the_program(compose: Document) -> None:
    for name, service in parts_of(compose, "services").items():
        if "build" in service:
            assert set(cast("Document", service["environment"])) <= VARIABLES, name


def test_containers_ask_for_what_is_there(compose: Document) -> None:
    services = parts_of(compose, "services")
    for name, service in services.items():
        assert set(cast("Document", service.get("depends_on", {}))) <= set(services), name
        assert set(cast("list[str]", service.get("secrets", []))) <= set(parts_of(compose, "secrets")), name
        assert set(cast("list[str]", service["networks"])) <= set(parts_of(compose, "networks")), name
        volumes = {volume.partition(":")[0] for volume in cast("list[str]", service.get("volumes", []))}
        assert volumes <= set(parts_of(compose, "volumes")), name


def test_containers_run_commands_of_the_program(compose: Document) -> None:
    ours = [service for service in parts_of(compose, "services").values() if "build" in service]

    assert len(ours) == 4
    for service in ours:
        check_command(["msc", *cast("list[str]", service.get("command", ["serve", "--log-format", "json"]))])


def test_authorities_are_reached_on_ports_of_this_machine_alone(compose: Document) -> None:
    services = parts_of(compose, "services").values()
    published = [port for service in services for port in cast("list[str]", service.get("ports", []))]

    assert len(published) == len(set(published)) == 6
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_images_are_named_without_a_registry(compose: Document) -> None:
    images = {str(service["image"]) for service in parts_of(compose, "services").values()}

    assert images == {"meta-strategy-controller", "postgres:18", "valkey/valkey:9"}


def test_the_cache_has_a_password_that_stands_in_a_secret_alone(compose: Document, tmp_path: Path) -> None:
    service = parts_of(compose, "services")["valkey"]
    command, test = cast("list[str]", service["command"]), str(cast("Document", service["healthcheck"])["test"])
    configuration = tmp_path / "valkey_conf"
    configuration.write_text("requirepass hunter2\n")
    reading = re.findall(r"\$\$\((sed .*) /run/secrets/valkey_conf\)", test)[0].replace("\\", "")

    assert command[1] == f"/run/secrets/{cast('list[str]', service['secrets'])[0]}"
    assert "requirepass" not in " ".join(command)
    assert subprocess.check_output([*shlex.split(reading), configuration], text=True) == "hunter2\n"


def test_secrets_are_never_committed(compose: Document) -> None:
    ignored = (DEPLOY / "compose/.gitignore").read_text().split()

    for name, secret in parts_of(compose, "secrets").items():
        file = str(secret["file"])
        assert file.split("/")[1] + "/" in ignored, name
        assert not (DEPLOY / "compose" / file).exists()


def instructions(name: str) -> Iterator[list[str]]:
    for line in (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ").splitlines():
        if line.startswith(f"{name} "):
            yield shlex.split(line)[1:]


def test_the_image_is_built_from_files_that_are_there() -> None:
    copied = [words[:-1] for words in instructions("COPY") if not words[0].startswith("--from")]
    sources = {source for words in copied for source in words}
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]

    assert all((ROOT / source).exists() for source in sources)
    for package in packages["packages"]:
        assert any(package.startswith(source) for source in sources), package


def test_the_image_has_extras_of_the_program() -> None:
    (install,) = (" ".join(words) for words in instructions("RUN") if "pip" in " ".join(words))
    asked = re.findall(r"\.\[([a-z,]+)\]", install)[0].split(",")

    assert set(asked) <= set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])


def test_commands_of_the_readme_are_those_of_the_program() -> None:
    commands = list(mentioned_commands((DEPLOY / "README.md").read_text()))

    assert len(commands) > 3
    for command in commands:
        check_command(command)
