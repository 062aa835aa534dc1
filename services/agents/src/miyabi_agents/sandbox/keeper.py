"""Stays beside the launcher and ends what the command leaves behind: `python -I -S keeper.py DESCRIPTOR`.

Standard library only: nothing of the repository's is on its path. A process that leaves its session and loses its
parent becomes a child of this one (prctl(2), PR_SET_CHILD_SUBREAPER), so it can be found and ended with the command.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys
from pathlib import Path
from types import FrameType

_FOLDER = Path(__file__).parent
_ORPHANS = runpy.run_path(str(_FOLDER / "orphans.py"))
#: The launcher reads its policy there; the same as launcher.POLICY_FD.
_POLICY_FD = 3
#: prctl(2): a signal of our choice when the parent ends.
_PR_SET_PDEATHSIG = 1


def launch(policy_end: int) -> None:
    """Become the launcher, with the policy's pipe on the descriptor that it reads."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if policy_end != _POLICY_FD:
        os.dup2(policy_end, _POLICY_FD)
        os.close(policy_end)
    runpy.run_path(str(_FOLDER / "launcher.py"), run_name="__main__")


def wait_for(command: int) -> int:
    """Wait for the command, reaping whatever else ends meanwhile; returns its status."""
    while True:
        pid, status = os.wait()
        if pid == command:
            return status


def end_the_rest() -> None:
    """End every process that is left, until there is none."""
    while _ORPHANS["end"](keep=frozenset()):
        pass


def end_as(status: int) -> None:
    """End this process as the command has ended, by the same code or signal."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        os._exit(code)
    if -code != signal.SIGKILL:
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)


def _told_to_end(number: int, frame: FrameType | None) -> None:
    """End everything: who started us is gone, or wants it."""
    del frame
    end_the_rest()
    os._exit(128 + number)


def main() -> None:
    """Run the launcher to its end, then end the rest."""
    policy_end = int(sys.argv[1])
    signal.signal(signal.SIGTERM, _told_to_end)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    _ORPHANS["adopt"]()
    command = os.fork()
    if command == 0:
        launch(policy_end)
        os._exit(0)
    os.close(policy_end)
    status = wait_for(command)
    end_the_rest()
    end_as(status)


if __name__ == "__main__":
    main()
