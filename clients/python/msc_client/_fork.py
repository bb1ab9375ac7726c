"""Keeps sources usable across fork."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    """What is told about a fork."""

    def before_fork(self) -> None:
        """Brings itself into a consistent state and keeps it so."""
        ...

    def after_fork_in_parent(self) -> None:
        """Goes on."""
        ...

    def after_fork_in_child(self) -> None:
        """Forgets threads and connections: they stayed in the parent."""
        ...


class _Registry:
    """Knows every source. The hooks are installed with the first one: importing has no side effects."""

    def __init__(self) -> None:
        self._members: weakref.WeakSet[Forkable] = weakref.WeakSet()
        self._told: list[Forkable] = []
        self._installed = False

    def add(self, member: Forkable) -> None:
        self._members.add(member)
        if not self._installed and hasattr(os, "register_at_fork"):
            self._installed = True
            os.register_at_fork(
                before=self._before, after_in_parent=self._after_in_parent, after_in_child=self._after_in_child
            )

    def _before(self) -> None:
        # The same members are told after the fork, even if one is collected or added meanwhile.
        self._told = list(self._members)
        for member in self._told:
            member.before_fork()

    def _after_in_parent(self) -> None:
        for member in self._told:
            member.after_fork_in_parent()
        self._told = []

    def _after_in_child(self) -> None:
        for member in self._told:
            member.after_fork_in_child()
        self._told = []


_registry = _Registry()


def follow_forks(member: Forkable) -> None:
    """Tells `member` about every fork from now on, as long as it lives."""
    _registry.add(member)
