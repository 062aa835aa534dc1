"""The outside: the state store and the GitHub gateway."""

from __future__ import annotations
