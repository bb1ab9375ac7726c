"""The whole command line: the authority's commands, and those that trade."""

from __future__ import annotations

from msc_loop.cli.app import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
