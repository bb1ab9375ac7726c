"""Commands that documents mention, and whether the real command line understands them. None of them is run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

import typer.main
from typer._click.exceptions import MissingParameter
from typer.core import TyperGroup

from msc_loop.cli.app import build_app

_FENCED = re.compile(r"^```(?:sh|console)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_OURS = re.compile(r"(?:^|[\s/])(msc(?:\s[^#|>&;)]*)?)(?=$|[#|>&;)])", re.MULTILINE)


class UnknownWords(AssertionError):
    """The command line does not understand a command."""


def mentioned_commands(text: str) -> Iterator[list[str]]:
    """Yields the `msc` commands in code of a Markdown text, as a shell would split them; in a line of text, such a
    mention is followed by "…", for it need not be all of a command.
    """
    fenced = "\n".join(block for block in _FENCED.findall(text))
    for line in fenced.replace("\\\n", " ").splitlines():
        yield from _commands_in(re.split(r"(?:^|\s)#", line)[0])
    for code in _INLINE.findall(_FENCED.sub("", text)):
        if code.startswith("msc "):
            yield from ([*words, "…"] for words in _commands_in(code))


def _commands_in(line: str) -> Iterator[list[str]]:
    for command in _OURS.findall(line):
        words = shlex.split(command, comments=True)
        if len(words) > 1:
            yield words


def check_command(words: Sequence[str]) -> None:
    """Makes sure that the command line understands the words, options and all. "…": some may be missing.

    Raises:
        UnknownWords: it does not.
    """
    told, open_end = [word for word in words if word != "…"], "…" in words
    try:
        _parse(told, open_end=open_end)
    except Exception as error:
        raise UnknownWords(f"{' '.join(words)}: {error}") from error


def _parse(words: Sequence[str], *, open_end: bool) -> None:
    command, name, rest, context = typer.main.get_command(build_app()), words[0], list(words[1:]), None
    while isinstance(command, TyperGroup):
        context = command.make_context(name, rest, parent=context)
        rest = [*context._protected_args, *context.args]
        if not rest:
            return
        found, inner, rest = command.resolve_command(context, rest)
        assert inner is not None
        name, command = found or "", inner
    try:
        command.make_context(name, rest, parent=context)
    except MissingParameter:
        if not open_end:
            raise
