"""What the use cases need of the outside, as protocols."""

from __future__ import annotations
