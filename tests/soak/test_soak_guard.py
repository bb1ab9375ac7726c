"""A short soak on real processes: threads, files, tasks, streams and pages come back to rest when the load has gone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from soaking.scene import Size, a_scene
from soaking.soak import Soak, Times
from soaking.values import QUANTITIES
from soaking.verdict import judge

BRIEF = Size(residents=4, crowds=2, crowd=6, streams=3, pages=2, stay_s=1.0, breaks_after_s=2.0, abandoned=False)
SHORT = Times(burst_s=5.0, settle_s=4.0, load_s=6.0, rest_within_s=60.0, look_every_s=1.0)
KILL_EVERY_S = 3.0


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")
def test_an_authority_under_change_and_reconnects_comes_back_to_rest(tmp_path: Path) -> None:
    with a_scene(tmp_path, BRIEF) as scene:
        soak = Soak(scene, SHORT, KILL_EVERY_S, lambda *_: None)
        soak.run()
        soak.record.trouble.extend(scene.trouble())
        done, tally = scene.done(), scene.tally

    verdict = judge(soak.record)
    assert not verdict.complaints
    assert all(finding.rest_after is not None for finding in verdict.findings)
    assert len(verdict.findings) == len(QUANTITIES)
    # It was under load indeed.
    assert done["versions"] > 5
    assert done["watches ended"] > 10
    assert min(tally[what] for what in ("crowds killed", "event streams", "pages", "rows", "facts", "messages")) > 0
