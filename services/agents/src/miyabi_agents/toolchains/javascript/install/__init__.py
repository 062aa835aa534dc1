"""How packages are installed, and how they get into a checkout."""

from __future__ import annotations
