"""Runs one test binary of several that cargo was asked for: the others are passed over.

python3 -I only.py WANTED EXECUTABLE ARGUMENT…
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if Path(sys.argv[1]).resolve() == Path(sys.argv[2]).resolve():
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - as cargo itself would start it
