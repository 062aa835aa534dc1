"""Secrets in any changed file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from miyabi_agents.analysers.base import CRITICAL, AnalyserError, RawFinding, Report, Subject, ToolRunner, relative
from miyabi_agents.analysers.known import installed
from miyabi_agents.analysers.reports import json_of
from miyabi_agents.verification.targets import is_test
from miyabi_core.text import ending, split_lines

#: Comments that allow a secret have no say: what the change adds is a finding, and the line is looked at all the same.
_NO_ALLOWLIST = "detect_secrets.filters.allowlist.is_line_allowlisted"

#: The finding that rests on the name before a value, whatever the value is.
_BY_NAME = "Secret Keyword"
#: Words of a value that says of itself that it is none.
_PLACEHOLDERS = frozenset({
    "a", "an", "the", "my", "your", "some", "test", "testing", "tests", "dummy", "fake", "example", "sample",
    "mock", "stub", "placeholder", "changeme", "invalid", "wrong", "bad", "good", "old", "new", "other", "first",
    "second", "password", "passwd", "passphrase", "pass", "pwd", "secret", "secrets", "token", "key", "api",
    "access", "auth", "credential", "credentials", "private", "user", "username", "value", "string", "foo", "bar",
    "baz",
})  # fmt: skip
#: Digits in a row from which on a value is no placeholder.
_MANY_DIGITS = re.compile(r"\d{5}")
#: A literal of most languages, without what is around it.
_LITERAL = re.compile(r"""(["'`])((?:(?!\1).)*)\1""")
#: A word within a value: `TestPassword`, `test_password`, `test-password1`.
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^A-Za-z\d\W_]+")


class DetectSecrets:
    """What has the shape of a secret; nothing is sent anywhere to verify it."""

    name = "detect-secrets"
    judges_code = False

    def applies(self, path: str) -> bool:
        """Look at every file."""
        return bool(path)

    def version(self) -> str:
        """Return the installed version."""
        return installed(self.name)

    async def analyse(self, subject: Subject, files: Sequence[str], runner: ToolRunner) -> Report:
        """Look through the changed files."""
        arguments = ("scan", "--no-verify", "--force-use-all-plugins", "--disable-filter", _NO_ALLOWLIST)
        said = await runner.module("detect_secrets", *arguments, files=files, cwd=subject.root)
        if said.exit_code:
            raise AnalyserError(f"detect-secrets ended with {said.exit_code}: {ending(said.output.strip(), 300)}")
        found = [
            RawFinding(
                entry["type"].replace(" ", "-").lower(),
                relative(path, subject.root),
                entry["line_number"],
                CRITICAL,
                40,
                f"looks like a secret: {entry['type']}",
                security=True,
            )
            for path, entries in json_of(said.output, self.name)["results"].items()
            for entry in entries
            if not _is_placeholder(entry, path, subject.root)
        ]
        return Report(found)


def _is_placeholder(entry: Mapping[str, Any], path: str, root: Path) -> bool:
    """Tell whether a test gives a password-like name a value that says that it is none, such as `test-password`.

    The report names a value by its SHA-1 alone; the line says which of its literals that is.
    """
    name = relative(path, root)
    if entry["type"] != _BY_NAME or not is_test(name):
        return False
    lines = split_lines((root / name).read_text(encoding="utf-8", errors="replace"))
    line = lines[entry["line_number"] - 1] if entry["line_number"] <= len(lines) else ""
    for _, value in _LITERAL.findall(line):
        # No secret is kept by the hash: it is the report's.
        if hashlib.sha1(value.encode(), usedforsecurity=False).hexdigest() == entry["hashed_secret"]:
            return _says_it_is_none(value)
    return False


def _says_it_is_none(value: str) -> bool:
    """Tell whether a value has words of placeholders alone, with few digits."""
    words = [word.lower() for word in _WORD.findall(value)]
    return bool(words) and _PLACEHOLDERS.issuperset(words) and not _MANY_DIGITS.search(value)
