"""Reads what analysers print: JSON of a bounded size, whatever the strings in it hold."""

from __future__ import annotations

import json
from typing import Any

from miyabi_agents.analysers.base import AnalyserError
from miyabi_core.text import ending


def json_of(text: str, tool: str) -> Any:
    """Read a tool's JSON.

    Raises:
        AnalyserError: it is none.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AnalyserError(f"{tool} printed no JSON: {ending(text.strip(), 200)}") from error


def json_lines_of(text: str, tool: str) -> list[Any]:
    """Read a tool's JSON, one object a line.

    Raises:
        AnalyserError: a line is none.
    """
    return [json_of(line, tool) for line in text.split("\n") if line.strip()]
