"""Notices when tests have replaced the functions that decide verdicts, and left them so."""

from __future__ import annotations

import sys

#: What decides: module, and the names in it.
DECIDING = (
    ("_pytest.runner", ("runtestprotocol", "call_and_report", "pytest_runtest_protocol", "pytest_runtest_makereport",
                        "CallInfo.from_call")),
    ("_pytest.reports", ("TestReport.from_item_and_call",)),
    ("_pytest.python", ("Function.runtest", "pytest_pyfunc_call")),
    ("_pytest.main", ("Session.perform_collect", "pytest_runtestloop")),
    ("unittest.case", ("TestCase.run", "TestCase.__call__", "TestCase.fail", "TestCase.assertEqual",
                       "TestCase.assertTrue")),
    ("unittest.result", ("TestResult.addFailure", "TestResult.addError", "TestResult.addSuccess",
                         "TestResult.wasSuccessful")),
    ("unittest.suite", ("TestSuite.run",)),
)  # fmt: skip

#: Stands for what is not there.
_MISSING = object()


def snapshot() -> dict[str, object]:
    """Return the functions that decide verdicts, as they are now, of the modules that are loaded."""
    found: dict[str, object] = {}
    for module, names in DECIDING:
        for name in names if module in sys.modules else ():
            owner: object = sys.modules[module]
            for part in name.split("."):
                owner = getattr(owner, part, _MISSING)
            found[f"{module}.{name}"] = getattr(owner, "__func__", owner)
    return found


def replaced(before: dict[str, object]) -> list[str]:
    """Return the names of functions that are others now."""
    now = snapshot()
    return sorted(name for name, function in before.items() if now.get(name, _MISSING) is not function)
