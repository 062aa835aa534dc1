"""Real fixes of any language: a commit of a repository, the symptom in somebody's own words, and what it changed."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.localise.sources import Source, mirror_of
from miyabi_agents.localisation.ranking.sides import tests_among
from miyabi_agents.localisation.reading.languages import Language, language_of
from miyabi_core.text import split_lines

#: Lines of a text that begin so name the file that was mended: they are taken out, for they would answer the question.
_HINTS = ("See ", "The code is in ")


@dataclass(frozen=True)
class Fix:
    """A fix.

    Args:
        name: For the row.
        source: The commit before it.
        text: Its symptom, title first.
        touched: Sources that it changed; tests are no part of it.
        language: Of the first of them.
    """

    name: str
    source: Source
    text: str
    touched: frozenset[str]
    language: Language


def read_fixes(data: Path, mirrors: Path) -> tuple[list[Fix], list[str]]:
    """Read the fixes whose repositories are there.

    Args:
        data: A YAML list of objects with name, repository, commit, title, body.
        mirrors: Folder with clones, as for issues.

    Returns:
        The fixes, and the names of those whose commit is not among the mirrors.

    Raises:
        OSError: the file cannot be read.
        KeyError: an entry lacks a field.
    """
    found, missing = [], []
    for entry in yaml.safe_load(data.read_text(encoding="utf-8")):
        mirror = mirror_of(entry["repository"], f"{entry['commit']}^", mirrors)
        fix = _fix(entry, mirror) if mirror is not None else None
        if fix is None:
            missing.append(str(entry["name"]))
        else:
            found.append(fix)
    return found, missing


def _fix(entry: dict[str, str], mirror: Path) -> Fix | None:
    """Return a fix; None where it changed no source that is read."""
    git = ["git", "--git-dir", str(mirror)]
    before = subprocess.check_output([*git, "rev-parse", f"{entry['commit']}^"], text=True).strip()
    source = Source(mirror, before)
    touched = changed_sources(source, entry["commit"])
    if not touched:
        return None
    body = "\n".join(line for line in split_lines(entry["body"]) if not line.strip().startswith(_HINTS))
    language = language_of(touched[0])
    assert language is not None
    return Fix(entry["name"], source, f"{entry['title']}\n{body}", frozenset(touched), language)


def changed_sources(before: Source, commit: str) -> list[str]:
    """Return the sources, tests aside, that a commit changes or deletes, sorted.

    Args:
        before: The commit before it.
        commit: Its name.
    """
    git = ["git", "--git-dir", str(before.mirror)]
    changed = subprocess.check_output(
        [*git, "diff", "--name-only", "-z", "--diff-filter=MD", before.sha, commit], text=True
    ).split("\0")
    listed = subprocess.check_output([*git, "ls-tree", "-r", "-z", "--name-only", before.sha], text=True).split("\0")
    sources = [path for path in listed if language_of(path) is not None]
    return sorted(set(changed) & set(sources) - tests_among(sources))
