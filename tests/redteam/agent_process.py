"""An agent's work in a process of its own, with a key in its environment: verifies and reviews a hostile change."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from hostile_repository import BASE, agent, change

from miyabi_agents.agents.reviewer import ReviewerAgent
from miyabi_agents.agents.verifier import VerifierAgent

#: Looks for the key wherever a process can look, and leaves a daemon behind; a test shows what it found.
SNOOPS = """
import glob, os, unittest

def snoop():
    found = [name for name in os.environ if "KEY" in name or "TOKEN" in name]
    for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
        try:
            found += [path] if b"sk-ant-" in open(path, "rb").read() else []
        except OSError:
            pass
    return found

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        import time
        time.sleep(600)
    os._exit(0)

class TestSnoop(unittest.TestCase):
    def test_nothing_is_found(self):
        self.assertEqual([], snoop())
"""
#: Names that programs take for options, beside code that would run were they taken so.
OPTIONS = {"-pevil.py": "open('/tmp/miyabi-pwned', 'w')\n"}


async def main(folder: Path) -> None:
    """Do both, and print what came of them."""
    files = {
        "toy/numbers.py": BASE["toy/numbers.py"].replace("+ 2", "* 2"),
        "tests/test_snoop.py": SNOOPS,
        "conftest.py": "import os\nos.system('id > /tmp/miyabi-pwned')\n",
        "setup.py": "import os\nos.system('id > /tmp/miyabi-pwned')\n",
        "bandit.py": "import os\nos.system('id > /tmp/miyabi-pwned')\n",
        "ruff.toml": "extend = '/etc/passwd'\n",
        "mypy.ini": "[mypy]\nplugins = bandit.py\n",
    }
    async with agent(folder) as workshop:
        inputs = {"change_set": change(workshop.base_sha, files)}
        verified = await workshop.run(VerifierAgent(), inputs=inputs, with_model=False)
        reviewed = await workshop.run(ReviewerAgent(), inputs=inputs, with_model=False)
    print(json.dumps({  # noqa: T201 - that is how it answers
        "verified": str(verified.verification), "reviewed": [run.analyser for run in reviewed.review.analysers],
    }))  # fmt: skip


asyncio.run(main(Path(sys.argv[1])))
