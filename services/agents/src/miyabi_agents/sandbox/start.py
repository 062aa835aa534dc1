"""Starts the keeper: `python -I -S start.py DESCRIPTOR`, without the site's packages and without ours.

`miyabi_agents` and its sandbox are registered as bare folders, so that their own imports (which cost 300 ms and open
more than a command's guardian should hold) do not happen.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType


def _register(name: str, folder: Path) -> None:
    """Make a package known without running its `__init__`."""
    package = ModuleType(name)
    package.__path__ = [str(folder)]
    sys.modules[name] = package


if __name__ == "__main__":
    here = Path(__file__).parent
    _register("miyabi_agents", here.parent)
    _register("miyabi_agents.sandbox", here)
    from miyabi_agents.sandbox.launch import keeper

    keeper.main(int(sys.argv[1]))
