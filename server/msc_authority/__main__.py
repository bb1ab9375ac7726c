"""Command line of the authority."""

from __future__ import annotations

from msc_authority.cli.app import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
