"""`python -m scripts.bootstrap STEP …`: installs what the project needs into the checkout.

It needs nothing but Python's standard library to begin with. A step whose inputs have not changed since it last
succeeded is skipped.
"""

from __future__ import annotations

import argparse
import fcntl
import platform
import sys
from collections.abc import Callable
from functools import partial

from scripts.bootstrap.go_programs import COLLECTOR, GRPCURL, PROMTOOL, ensure
from scripts.bootstrap.packages import tools
from scripts.bootstrap.page import page
from scripts.bootstrap.published import schemas
from scripts.bootstrap.step import TOOLS, fail

#: Each step, in the order in which they run: uv and the Python packages, which the others need; Node where there is
#: none, and the page; what GitHub publishes, for tests; programs
#: that tests use.
STEPS: dict[str, Callable[[], None]] = {
    "tools": tools,
    "web": page,
    "schemas": schemas,
    "grpcurl": partial(ensure, GRPCURL),
    "promtool": partial(ensure, PROMTOOL),
    "collector": partial(ensure, COLLECTOR),
}


def main() -> None:
    """Run the steps that are asked for, one set-up at a time."""
    if sys.version_info < (3, 11):  # noqa: UP036 - it may be started by any Python
        fail(f"Python 3.11 or newer is needed, this is {platform.python_version()} ({sys.executable})")
    parser = argparse.ArgumentParser(prog="python -m scripts.bootstrap", description=__doc__)
    parser.add_argument("steps", nargs="+", choices=STEPS)
    wanted = {"tools", *parser.parse_args().steps}
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name, step in STEPS.items():
            if name in wanted:
                step()


if __name__ == "__main__":
    main()
