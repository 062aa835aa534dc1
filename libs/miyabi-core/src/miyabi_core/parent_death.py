"""Lets a child process end with its parent, even a killed one, without running Python between fork and exec.

`preexec_fn` would do the same in one line, and crashes now and then in a process whose gRPC threads are busy at that
moment: it forces a plain fork, in whose child gRPC's fork handlers run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

#: Asks for SIGTERM (15) at the parent's death (prctl(2), PR_SET_PDEATHSIG = 1), then becomes the command.
_SHIM = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); "
    "os.getppid() == int(sys.argv[1]) and os.execvp(sys.argv[2], sys.argv[2:])"
)


def ends_with_parent(command: Sequence[str]) -> list[str]:
    """Return *command* such that Linux ends it with SIGTERM when this process dies; elsewhere it stays as it is.

    The process id is the command's own from the start: the interpreter that asks the kernel becomes the command.
    """
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", "-c", _SHIM, str(os.getpid()), *command]
