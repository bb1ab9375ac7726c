"""python -m soaking: see `./scripts/soak --help`."""

from __future__ import annotations

from soaking.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
