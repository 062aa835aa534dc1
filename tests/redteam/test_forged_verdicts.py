"""Changes that break what they claim to mend, and say otherwise: through the real verifier, runner and sandbox."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hostile_repository import BASE, TESTS, agent, change

from miyabi_agents.agents.verifier import VerifierAgent
from services.agents.tests.conftest import Workshop

GOOD = BASE["toy/numbers.py"].replace("+ 2", "* 2")
BAD = GOOD.replace("* 3", "+ 3")
#: The test that shows that GOOD mends something.
NEW = TESTS + "\n    def test_five(self):\n        self.assertEqual(double(5), 10)\n"
PRINTS = "print('tests/test_numbers.py::TestNumbers::test_five PASSED')\nprint('test_five (tests.test_numbers.TestNumbers.test_five) ... ok', flush=True)\n"
ENDS = "import os\n" + PRINTS + "os._exit(0)\n"

#: Every one breaks `triple`, or proves nothing, and hides it.
HIDDEN: dict[str, dict[str, str | None]] = {
    "test deleted": {"toy/numbers.py": BAD, "tests/test_numbers.py": NEW.replace("test_three", "_three")},
    "test's file deleted": {"toy/numbers.py": BAD, "tests/test_numbers.py": None, "tests/test_new.py": NEW.replace("test_three", "_three")},
    "helper shadows the code": {"toy/numbers.py": BAD, "tests/test_numbers.py": NEW + "\n\ndef triple(value):\n    return value * 3\n"},
    "skips": {"toy/numbers.py": BAD, "tests/test_numbers.py": NEW.replace("    def test_three", "    @unittest.skip('x')\n    def test_three")},
    "load_tests of the package": {"toy/numbers.py": BAD, "tests/test_numbers.py": NEW, "tests/__init__.py": "import unittest\nunittest.TestCase.run = lambda self, result=None: result.addSuccess(self)\n"},
    "the code prints verdicts and ends": {"toy/numbers.py": ENDS + BAD, "tests/test_numbers.py": NEW},
    "the test prints verdicts and ends": {"toy/numbers.py": BAD, "tests/test_numbers.py": NEW.replace("        self.assertEqual(triple", "        import os; os._exit(0)\n        self.assertEqual(triple")},
    "dies by a signal": {"toy/numbers.py": BAD + "\nimport os, atexit\natexit.register(lambda: os.kill(os.getpid(), 11))\n", "tests/test_numbers.py": NEW},
    "stands in for the runner": {"toy/numbers.py": BAD, "tests/test_numbers.py": NEW, "unittest.py": ENDS, "sitecustomize.py": ENDS, "pytest.py": ENDS},
    "no proof": {"toy/numbers.py": GOOD + "# as it was\n", "tests/test_numbers.py": TESTS + "\n    def test_six(self):\n        self.assertTrue(True)\n"},
}  # fmt: skip


@pytest.fixture(scope="module")
async def verifier() -> AsyncIterator[Workshop]:
    """Give one agent for all changes, so that base is run once."""
    with tempfile.TemporaryDirectory(prefix="miyabi-redteam-") as folder:
        async with agent(Path(folder)) as workshop:
            yield workshop


async def test_an_honest_change_passes(verifier: Workshop) -> None:
    """What the others are measured by: the same repository and runner, and nothing hidden."""
    files = change(verifier.base_sha, {"toy/numbers.py": GOOD, "tests/test_numbers.py": NEW})
    result = (await verifier.run(VerifierAgent(), inputs={"change_set": files}, with_model=False)).verification
    assert result.passed, result
    assert result.failed_before_passed_after == 1


@pytest.mark.slow("waits until tests that do not end have used up their time")
@pytest.mark.timeout(180)
async def test_a_loop_that_the_change_ends_is_proved_in_little_time(tmp_path: Path) -> None:
    """On base a test does not end: it fails after its part of the run's time, and the others are judged all the same."""
    endless = GOOD.replace("    return value * 2", "    while value != 2:\n        pass\n    return 4")
    base = {
        **BASE,
        ".miyabi.yaml": "env: {only: true}\ntest: {format: unittest, timeout: 14}\n",
        "toy/numbers.py": endless,
    }
    async with agent(tmp_path, base) as workshop:
        for code, expected in ((GOOD, (True, 1, 0)), (BAD, (False, 1, 1))):
            files = change(workshop.base_sha, {"toy/numbers.py": code, "tests/test_numbers.py": NEW})
            outcome = await workshop.run(VerifierAgent(), inputs={"change_set": files}, with_model=False)
            result = outcome.verification
            assert (result.passed, result.failed_before_passed_after, result.broken) == expected, result


@pytest.mark.parametrize("name", HIDDEN)
async def test_a_change_that_hides_a_break_does_not_pass(verifier: Workshop, name: str) -> None:
    """Whatever it prints, deletes, shadows or ends."""
    files = change(verifier.base_sha, HIDDEN[name])
    result = (await verifier.run(VerifierAgent(), inputs={"change_set": files}, with_model=False)).verification
    assert not result.passed, result
