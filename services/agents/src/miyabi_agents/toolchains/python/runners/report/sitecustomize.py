"""Starts `miyabi_report` in every interpreter that has this folder on its path; never keeps one from starting."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module

# Whatever goes wrong here shows as a run without a report; an interpreter that does not start would hide why.
with suppress(Exception):
    import_module("miyabi_report.boot").start()
