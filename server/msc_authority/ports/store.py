"""What can go wrong with a store, and how it is counted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreTally:
    """What went wrong with a store since it was opened: connections that broke, transactions that could not be made
    for now, and those that were done again because they were taken back for another's sake.
    """

    lost: int = 0
    unavailable: int = 0
    repeated: int = 0


class StoreError(Exception):
    """The store did not do what was asked. `__cause__` is the driver's error."""


class StoreUnavailable(StoreError):
    """The store cannot be reached or is locked; trying again may help."""


class StaleState(StoreError):
    """Another writer was first. Nothing was written."""


class Fenced(StoreError):
    """The term that the writer leads under is over. Nothing was written."""

    def __init__(self, message: str, term: int | None = None) -> None:
        """Takes the term that is over."""
        super().__init__(message)
        self.term = term
