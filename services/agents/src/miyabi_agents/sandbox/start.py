"""Starts what forks keepers: `python -I -S start.py DESCRIPTOR`, without the site's packages and without ours.

`miyabi_agents` and its sandbox are registered as bare folders, so that their own imports (300 ms) do not happen.
"""

# Not pathlib: pathlib would be imported for two names of folders.
# ruff: noqa: PTH100, PTH120

from __future__ import annotations

import os
import sys

#: The type of modules; `types` would be one more import.
_Module = type(sys)


def _register(name: str, folder: str) -> None:
    """Make a package known without running its `__init__`."""
    package = _Module(name)
    package.__path__ = [folder]
    sys.modules[name] = package


if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    _register("miyabi_agents", os.path.dirname(here))
    _register("miyabi_agents.sandbox", here)
    from miyabi_agents.sandbox.launch import zygote

    zygote.main(int(sys.argv[1]))
