"""What every Miyabi service shares."""

from __future__ import annotations

__all__ = ["__version__"]

#: Version of the whole workspace.
__version__ = "0.1.0"
