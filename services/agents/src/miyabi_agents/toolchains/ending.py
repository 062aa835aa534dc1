"""Says in one sentence why a run of tests that did not come to its end shows nothing; the same for every toolchain."""

from __future__ import annotations

import signal

from miyabi_agents.ports import SandboxResult

#: What a limit is called for a person.
_LIMITS = {"memory": "memory", "processes": "number of processes", "disk": "disk space"}


def broke(result: SandboxResult, *, output_is_report: bool = False) -> str:
    """Return why nothing can be said of a run, or nothing where it ended by itself with its report whole.

    Args:
        result: How the command ended.
        output_is_report: The verdicts are read from what it printed, so that a cut loses some.
    """
    if result.timed_out:
        return f"The run was ended after {result.duration.total_seconds():.0f} s: it took too long."
    if result.limit_hit:
        return f"The run was ended by a limit of the sandbox: {_LIMITS.get(result.limit_hit, result.limit_hit)}."
    if result.exit_code < 0:
        return f"The run was ended by {_signal(-result.exit_code)}."
    if result.report_cut:
        return "The report of the run is too large or holds something that is no plain file, so it is not believed."
    if output_is_report and result.output_cut:
        return "The output of the run was cut, and verdicts with it."
    return ""


def _signal(number: int) -> str:
    """Name a signal."""
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"
