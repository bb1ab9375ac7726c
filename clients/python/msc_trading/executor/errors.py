"""What the executor raises."""

from __future__ import annotations


class ExecutorError(Exception):
    """Base of every error of the executor. `reason` is a stable code."""

    reason = "EXECUTOR_FAILED"


class StateUnusable(ExecutorError):
    """The state file cannot be trusted, or another executor has it. The message says what to do."""

    reason = "STATE_UNUSABLE"


class StateUnwritable(ExecutorError):
    """The state file takes no more: nothing new may be sent that is not a reduction."""

    reason = "STATE_UNWRITABLE"
