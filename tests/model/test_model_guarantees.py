"""The contract's semantics under random interleavings of everything that can happen. See README.md for deeper runs."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from msc_model_machine import Guarantees

EXAMPLES, STEPS = 100, 30
DEEP_STEPS = 60
DEEP = int(os.environ.get("MSC_MODEL_EXAMPLES", "0"))

TestGuarantees = Guarantees.TestCase
TestGuarantees.settings = settings(
    max_examples=DEEP or EXAMPLES,
    stateful_step_count=DEEP_STEPS if DEEP else STEPS,
    derandomize=not DEEP,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
