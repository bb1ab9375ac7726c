"""Commands in documents are found, and those that the command line does not understand are told."""

from __future__ import annotations

import pytest
from msc_words import UnknownWords, check_command, mentioned_commands


def test_commands_are_found_in_blocks_and_in_code() -> None:
    text = (
        "Run `msc status` or `msc audit verify --anchor SEQ:HASH`, not msc health. `curl x` and `msc` are others.\n"
        "```sh\n# msc clients\nmsc backup FILE   # msc doctor\n"
        "docker exec a /opt/msc/bin/msc token create x --role reader > token\nmsc events | grep halt\n```\n"
    )

    assert list(mentioned_commands(text)) == [
        ["msc", "backup", "FILE"],
        ["msc", "token", "create", "x", "--role", "reader"],
        ["msc", "events"],
        ["msc", "status", "…"],
        ["msc", "audit", "verify", "--anchor", "SEQ:HASH", "…"],
    ]


@pytest.mark.parametrize(
    "command", ["msc status", "msc audit", "msc audit verify --json", "msc backup x.backup", "msc halt …"]
)
def test_what_the_command_line_understands_passes(command: str) -> None:
    check_command(command.split())


@pytest.mark.parametrize(
    "command",
    ["msc panic", "msc audit burn", "msc status --loud", "msc backup", "msc halt --now …", "msc tok …"],
)
def test_what_it_does_not_understand_is_told(command: str) -> None:
    with pytest.raises(UnknownWords, match=command.split()[1]):
        check_command(command.split())
