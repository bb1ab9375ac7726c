"""The numbered lines of a file, plain or gzipped, without ever holding more than one of them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MAX_LINE_BYTES = 65_536
"""Longest line; the longest fact is a quarter of it."""

_GZIP_MAGIC = b"\x1f\x8b"
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


class FileError(Exception):
    """The file as a whole cannot be used. The message names the file and says what to do."""

    reason = "FILE_UNUSABLE"

    def __init__(self, path: Path, problem: str) -> None:
        """Takes the file and the problem, as the end of a sentence."""
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line. `content` has no line end; `ended` tells whether the file had one; `bytes_read` of the file so far.

    `too_long`: the line was longer than is taken and `content` is its beginning. `damaged`: the compressed data end
    or break here, and nothing follows.
    """

    number: int
    content: bytes
    ended: bool
    bytes_read: int
    too_long: bool = False
    damaged: bool = False


def read_lines(path: Path) -> Iterator[Line]:
    """Yields the lines of `path`, numbered from 1, without a byte order mark.

    Raises:
        FileError: it cannot be opened or read, is empty, or is not text of 8 bit units.
    """
    try:
        with path.open("rb") as file:
            if file.read(1) == b"":
                raise FileError(path, "is empty")
            file.seek(0)
            yield from _read_open(path, file)
    except OSError as error:
        raise FileError(path, f"cannot be read: {error.strerror or error}") from error


def _read_open(path: Path, file: BinaryIO) -> Iterator[Line]:
    zipped = file.read(2) == _GZIP_MAGIC
    file.seek(0)
    # gzip.open is typed as one of three kinds of file; in mode "rb" it is a GzipFile.
    stream: BinaryIO | gzip.GzipFile = gzip.GzipFile(fileobj=file, mode="rb") if zipped else file
    number = 0
    for line in _split(stream, file):
        number = line.number
        yield _without_mark(path, line) if number == 1 else line
    if number == 0:
        raise FileError(path, "is empty")


def _split(stream: BinaryIO | gzip.GzipFile, file: BinaryIO) -> Iterator[Line]:
    number = 0
    while True:
        number += 1
        try:
            content = stream.readline(MAX_LINE_BYTES + 1)
            too_long = len(content) > MAX_LINE_BYTES and not content.endswith(b"\n")
            ended = _skip_line(stream) if too_long else content.endswith(b"\n")
        except (EOFError, zlib.error, gzip.BadGzipFile):
            yield Line(number=number, content=b"", ended=False, bytes_read=file.tell(), damaged=True)
            return
        if not content:
            return
        text = content.rstrip(b"\r\n")
        yield Line(number=number, content=text, ended=ended, bytes_read=file.tell(), too_long=too_long)


def _skip_line(stream: BinaryIO | gzip.GzipFile) -> bool:
    while chunk := stream.readline(MAX_LINE_BYTES):
        if chunk.endswith(b"\n"):
            return True
    return False


def _without_mark(path: Path, line: Line) -> Line:
    if line.damaged:
        raise FileError(path, "is not a readable gzip file; compress it again")
    if line.content.startswith(_UTF16_BOMS):
        raise FileError(path, "is UTF-16; save it as UTF-8")
    return Line(
        number=1,
        content=line.content.removeprefix(_UTF8_BOM),
        ended=line.ended,
        bytes_read=line.bytes_read,
        too_long=line.too_long,
    )
