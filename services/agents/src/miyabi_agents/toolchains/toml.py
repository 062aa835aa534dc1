"""Parses TOML of strangers in linear time."""

from __future__ import annotations

import re
import tomllib
from typing import Any

#: Parts of a dotted key (`a.b.c`), beyond which a text is refused: the standard library's parser looks at every
#: beginning of a key, so that a key of 256 KiB takes minutes. Honest ones have some five.
MAX_PARTS = 40
_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(rf"(?<![\w-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{MAX_PARTS}}}")


def loads(text: str) -> dict[str, Any]:
    """Parse a text.

    Raises:
        ValueError: it is no TOML, or a key in it has more parts than any honest one.
        RecursionError: it is nested too deeply.
    """
    if _LONG_KEY.search(text):
        raise ValueError(f"a key has more than {MAX_PARTS} parts")
    return tomllib.loads(text)
