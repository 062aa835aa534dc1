"""`make fuzz`: searches every parser of strangers' bytes for crashes, hangs and time that outgrows the input.

Each target runs in a process of its own, one after the other, for its share of the time. The end is a table; inputs
that broke something lie below `build/fuzz/TARGET`, and what reaches new lines is kept in the corpus.
"""

from __future__ import annotations

import argparse
import base64
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from fuzzer.registry import CORPUS, targets

_ROOT = Path(__file__).parents[2]
#: Where a run leaves what it found.
_BUILD = _ROOT / "build/fuzz"
#: Seconds beyond its time that a search may take to test growth and to end, before it is ended.
_GRACE_SECONDS = 600


@dataclass(frozen=True)
class Found:
    """What a search on one target found."""

    name: str
    wall_seconds: float
    inputs: int = 0
    slowest_seconds: float = 0.0
    engine: str = "-"
    faults: dict[str, bytes] = field(default_factory=dict)
    growths: list[str] = field(default_factory=list)

    @property
    def row(self) -> str:
        """A line of the table."""
        faults = len(self.faults) + len(self.growths)
        return (
            f"{self.name:34} {self.engine:8} {self.inputs:>10,} {self.wall_seconds:>8.0f} "
            f"{self.slowest_seconds:>9.3f} {faults:>7}"
        )


def main() -> int:
    """Search, print the table; returns 1 where anything broke."""
    arguments = _arguments()
    names = sorted(targets())
    wanted = [name for name in names if arguments.target in ("", name)]
    if not wanted:
        print(f"there is no target {arguments.target}; there are: {', '.join(names)}")
        return 2
    print(f"{'target':34} {'engine':8} {'inputs':>10} {'seconds':>8} {'slowest s':>9} {'broken':>7}", flush=True)
    every = []
    for name in wanted:
        every.append(_searched(name, arguments.seconds))
        print(every[-1].row, flush=True)
        for line in (*every[-1].faults, *every[-1].growths):
            print(f"  {line}", flush=True)
    return 1 if any(found.faults or found.growths for found in every) else 0


def _arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800, help="for each target (default: %(default)s)")
    parser.add_argument("--target", default="", help="one target; empty: all, one after the other")
    return parser.parse_args()


def _searched(name: str, seconds: float) -> Found:
    """Search on one target, and keep what reaches new lines."""
    folder = _BUILD / name
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "corpus").mkdir(parents=True)
    began = time.monotonic()
    ended = _run("search", name, str(seconds), str(folder), log=folder / "log", limit=seconds + _GRACE_SECONDS)
    found = _read(name, folder, time.monotonic() - began, ended)
    _run("keep", name, str(folder), str(CORPUS / name), log=folder / "kept", limit=_GRACE_SECONDS)
    for number, data in enumerate(found.faults.values()):
        (folder / f"fault-{number}").write_bytes(data)
    return found


def _run(*words: str, log: Path, limit: float) -> str:
    """Run a part of a search; returns how it ended where that was not well."""
    with log.open("wb") as output:
        try:
            command = [sys.executable, "-m", "fuzzer.search", *words]
            code = subprocess.run(
                command, cwd=Path(__file__).parent, stdout=output, stderr=output, timeout=limit, check=False
            ).returncode
        except subprocess.TimeoutExpired:
            return "the search did not end: an input took for ever"
    return "" if code == 0 else f"the search ended with {code}; see {log}"


def _read(name: str, folder: Path, wall_seconds: float, ended: str) -> Found:
    """Read what a search wrote down."""
    try:
        body = json.loads((folder / "found.json").read_text())
    except (OSError, ValueError):
        return Found(name, wall_seconds, faults={ended or "the search wrote nothing down": b""})
    faults = {fault: base64.b64decode(data) for fault, data in body["faults"].items()}
    if ended:
        current = (folder / "current").read_bytes()
        faults[ended] = current[4 : 4 + int.from_bytes(current[:4], "big")]
    return Found(
        name, wall_seconds, body["inputs"], body["slowest"], body["engine"], faults=faults, growths=body["growths"]
    )


if __name__ == "__main__":
    sys.exit(main())
