"""Journals in files: CSV and JSON lines, plain or gzipped, read row by row."""

from msc_authority.adapters.journal_files.lines import FileError
from msc_authority.adapters.journal_files.reader import JournalContent, RefusedRow, Row, load, read_facts
from msc_authority.adapters.journal_files.rows import RowCode

__all__ = ["FileError", "JournalContent", "RefusedRow", "Row", "RowCode", "load", "read_facts"]
