"""./scripts/bench: measures and reports."""

from __future__ import annotations

import signal

from benching.cli import main
from benching.table import BENCHMARKS

if __name__ == "__main__":
    # Whoever ends it gently finds what was measured until then, as with Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    raise SystemExit(main(BENCHMARKS))
