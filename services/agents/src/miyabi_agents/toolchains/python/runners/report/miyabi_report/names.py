"""Makes the name of a test the same in every checkout: no absolute path, no address, no time of today."""

# Paths are text here: tests may have changed pathlib in this very interpreter.
# ruff: noqa: PTH100, PTH109, PTH118
from __future__ import annotations

import os
import re
import tempfile
import time
from hashlib import blake2b

from . import variables
from .sink import clean

#: Longest name; what is longer ends in a digest of the rest, so that it stays itself.
MAX_NAME = 1_500
#: Where an object lies in memory: after "at", or as long as addresses of 64 bits are.
_ADDRESS = re.compile(r"(?<=\bat )0x[0-9a-fA-F]{6,16}|0x[57][0-9a-fA-F]{11}\b|0x0000[0-9a-fA-F]{12}\b")
#: Version 4 is random (RFC 9562): made anew in each process.
_RANDOM = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\b", re.IGNORECASE)
#: Seconds since 1970 in this century, perhaps with a fraction.
_SECONDS = re.compile(r"(?<![\w.])1[0-9]{9}(?:\.[0-9]{1,9})?(?![\w.])")
#: The rest of a time after its date.
_CLOCK = r"(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
#: A time that stands before its date.
_BEFORE = r"(?:\b\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)? )?"
#: How dates are written that name their year.
_DATES = ("%Y-%m-%d", "%m-%d-%Y", "%d-%m-%Y", "%Y/%m/%d", "%m/%d/%Y", "%d/%m/%Y", "%d\\.%m\\.%Y")
#: Parts of temporary paths that are made anew each time.
_FRESH = r"(?:/(?:pytest-of-[^/\s]+(?:/pytest-\d+)?|tmp[A-Za-z0-9_]{6,10}\b|pytest-\d+))?"
#: A day, for "today, or about today".
_DAY = 86_400


class Names:
    """Names of one run, each given once.

    Args:
        tree: Root of the checkout.
    """

    def __init__(self, tree: str) -> None:
        self.tree = os.path.realpath(tree or os.getcwd())
        self._now = time.time()
        self._places = _places(self.tree, tree)
        near = [time.gmtime(self._now + at * _DAY) for at in (-1, 0, 1)]
        days = "|".join(time.strftime(form, day) for form in _DATES for day in near)
        self._dates = re.compile(_BEFORE + r"\b(?:" + days + r")(?!\d)" + _CLOCK)
        self._given: dict[str, str] = {}
        self._taken: dict[str, int] = {}

    def file(self, path: str, root: str = "") -> str:
        """Return a file's path from the checkout's root, or as it is where it lies elsewhere."""
        whole = os.path.normpath(os.path.join(root or self.tree, path))
        for form in (whole, os.path.realpath(whole)):
            if form.startswith(self.tree + os.sep):
                return clean(form[len(self.tree) + 1 :], MAX_NAME)
        return clean(self.stable(path), MAX_NAME)

    def test(self, identity: str, root: str = "") -> str:
        """Return the name for a node id, which starts from *root*: one name an id, two ids never share one."""
        if identity not in self._given:
            file, mark, rest = identity.partition("::")
            self._given[identity] = self._alone(
                _short(self.file(file, root) + mark + self.stable(clean(rest, 1 << 16)))
            )
        return self._given[identity]

    def stable(self, text: str) -> str:
        """Replace what is different in each checkout and run."""
        for pattern, instead in self._places:
            text = pattern.sub(instead, text)
        text = _RANDOM.sub("<random>", _ADDRESS.sub("<address>", text))
        text = self._dates.sub("<time>", text)
        return _SECONDS.sub(lambda found: "<time>" if abs(float(found[0]) - self._now) < _DAY else found[0], text)

    def _alone(self, name: str) -> str:
        """Number a name that another test has."""
        count = self._taken[name] = self._taken.get(name, 0) + 1
        return name if count == 1 else f"{name}#{count}"


def _short(name: str) -> str:
    """Cut a long name so that it stays different from others."""
    if len(name) <= MAX_NAME:
        return name
    return f"{name[: MAX_NAME - 20]}…{blake2b(name.encode(), digest_size=8).hexdigest()}"


def _places(real: str, given: str) -> list[tuple[re.Pattern[str], str]]:
    """Return patterns for the folders that have another path in each run, the deepest first."""
    places = {real: "<tree>", os.path.abspath(given or real): "<tree>"}
    environment = os.environ.get(variables.ENVIRONMENT, "")
    temporary = [tempfile.gettempdir(), os.environ.get("TMPDIR", ""), os.path.realpath(tempfile.gettempdir())]
    found = [(place, "<environment>", "") for place in {environment, os.path.realpath(environment)} if environment]
    found += [(place, name, "") for place, name in places.items()]
    found += [(place, "<tmp>", _FRESH) for place in set(temporary) if len(place) > 1]
    found.sort(key=lambda entry: -len(entry[0]))
    return [(re.compile(re.escape(place) + rest), name) for place, name, rest in found]
