"""Real fixes out of the history of clones: what a commit says was wrong, and the sources that it changed.

Nothing of them is kept here, and no weight was chosen on them: they tell whether a change that helps the issues helps
elsewhere. A commit says more of the remedy than an issue would, and less of how to see what is wrong.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from benchmarks.localise.fixes import Fix, changed_sources
from benchmarks.localise.sources import Source, git_folder
from miyabi_agents.localisation.ranking.sides import is_beside
from miyabi_agents.localisation.reading.languages import language_of
from miyabi_core.text import split_lines

#: Fixes taken from each repository, the newest ones.
PER_REPOSITORY = 5
#: Fixes from this day on: none is among the issues of SWE-bench, which were collected before.
SINCE = "2023-09-01"
#: Sources that a fix changes at most: one that changes more mends several things.
MAX_TOUCHED = 2
#: Words that a text has at least: one with fewer describes nothing.
MIN_WORDS = 12

_FIX = re.compile(r"\b(?:fix(?:e[sd])?|clos(?:e[sd]?)|resolv(?:e[sd]?)|bugs?|regression)\b", re.IGNORECASE)
#: Where projects tell their users what was mended.
_NEWS = re.compile(
    r"(?:^|/)(?:changes?|changelog|history|news|releases?|whatsnew|whats_new|newsfragments)(?:[./]|$)", re.IGNORECASE
)
#: What stands around a title: kind and scope before it, number of the pull request after it.
_AROUND_TITLE = re.compile(
    r"^(?:\[\w+\]\s*)?(?:\w+(?:\([^)]*\))?!?:\s*)?(?:fix(?:e[sd])?\b[:\s]*)?(?:#\d+\b[:\s-]*)?|\s*\(#\d+\)",
    re.IGNORECASE,
)
_TRAILER = re.compile(
    r"^\s*(?:[\w-]+-by: |\(cherry picked|https?://\S+$|(?:fix|clos|resolv|ref)\w* #\d+\W*$)", re.IGNORECASE
)


@dataclass(frozen=True)
class _Commit:
    """A commit as the log tells of it."""

    sha: str
    parent: str
    title: str
    body: str
    paths: tuple[str, ...]


def read_histories(mirrors: Path) -> Iterator[tuple[str, list[Fix]]]:
    """Yield the name of each clone that has fixes, and its newest ones, each at the commit before it.

    Args:
        mirrors: Folder with clones and their history, as OWNER+NAME/repo or OWNER+NAME.

    Raises:
        OSError: the folder cannot be read.
        subprocess.CalledProcessError: git cannot read a clone.
    """
    for folder in sorted(mirrors.iterdir()):
        git = next(filter(None, map(git_folder, (folder / "repo", folder))), None)
        if git is None:
            continue
        found = (_fix(git, commit, f"{folder.name}:{commit.sha[:10]}") for commit in _commits(git))
        fixes = list(islice((fix for fix in found if fix is not None), PER_REPOSITORY))
        if fixes:
            yield folder.name, fixes


def _commits(git: Path) -> Iterator[_Commit]:
    """Yield the commits that may be fixes, newest first."""
    log = ["log", "--no-merges", f"--since={SINCE}", "--name-only", "--format=%x1e%H%x1f%P%x1f%s%x1f%b%x1f"]
    for entry in _git(git, *log).split("\x1e")[1:]:
        sha, parent, title, body, paths = entry.split("\x1f")
        if parent and (_FIX.search(title) or _FIX.search(body)):
            yield _Commit(sha, parent, title, body, tuple(filter(None, paths.split("\n"))))


def _fix(git: Path, commit: _Commit, name: str) -> Fix | None:
    """Return a fix; None where it mends no few sources, or does not say what was wrong."""
    if not 0 < sum(language_of(path) is not None for path in commit.paths) <= 10 * MAX_TOUCHED:
        return None
    source = Source(git, commit.parent)
    touched = [path for path in changed_sources(source, commit.sha) if not is_beside(path)]
    if not 0 < len(touched) <= MAX_TOUCHED:
        return None
    news = [path for path in commit.paths if _NEWS.search(path) and language_of(path) is None]
    told = _git(git, "diff", "-U0", commit.parent, commit.sha, "--", *news) if news else ""
    lines = [*split_lines(commit.body), *_added(told)]
    names = [path.rpartition("/")[2] for path in touched]
    body = [line for line in lines if not _TRAILER.search(line) and not any(name in line for name in names)]
    text = "\n".join([_AROUND_TITLE.sub("", commit.title), *body])
    language = language_of(touched[0])
    if len(text.split()) < MIN_WORDS or language is None:
        return None
    return Fix(name, source, text, frozenset(touched), language)


def _added(diff: str) -> Sequence[str]:
    """Return the lines that a difference adds."""
    return [line[1:] for line in split_lines(diff) if line.startswith("+") and not line.startswith("+++")]


def _git(git: Path, *arguments: str) -> str:
    """Return what git says."""
    done = subprocess.run(["git", "--git-dir", git, *arguments], check=True, capture_output=True)
    return done.stdout.decode("utf-8", "replace")
