"""./scripts/drill: breaks things, and reports."""

from __future__ import annotations

import signal

from drilling.cli import main

if __name__ == "__main__":
    # Whoever ends it gently finds what came out until then, as with Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    raise SystemExit(main())
