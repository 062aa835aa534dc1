"""What `.gitattributes` of a commit say of a path, as git itself reads them."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from miyabi_agents.errors import WorkspaceError
from miyabi_agents.workspace.git import LOCAL_TIMEOUT, SAFE, environment
from miyabi_core.text import ending

#: What is asked: how line ends, encoding and keywords differ between git and a checkout, and whether the content is
#: elsewhere.
ATTRIBUTES = ("text", "eol", "working-tree-encoding", "ident", "filter")


class BaseAttributes:
    """Answers for one commit; calls block, so they belong into a thread.

    Args:
        git_dir: A bare git directory that has the commit.
        sha: The commit; attributes of a change have no say, for a change may not touch them.
        index: A file of its own beside git's; it holds the commit's tree.
    """

    def __init__(self, git_dir: Path, sha: str, *, index: str = "index-of-attributes") -> None:
        self._git_dir, self._sha = git_dir, sha
        self._index = git_dir / index
        self._lock = threading.Lock()

    def of(self, path: str) -> Mapping[str, str]:
        """Return what is set of a path, as `of_all`."""
        return self.of_all([path])[path]

    def of_all(self, paths: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """Return for each path what is set, by name: `set`, `unset` or a value.

        Raises:
            WorkspaceError: git failed.

        Source: gitattributes(5), git-check-attr(1).
        """
        with self._lock:
            if not self._index.exists():
                self._git("read-tree", self._sha)
        asked = b"".join(path.encode() + b"\0" for path in paths)
        said = self._git("check-attr", "--cached", "-z", "--stdin", *ATTRIBUTES, stdin=asked)
        fields = said.decode("utf-8", "replace").split("\0")
        found: dict[str, dict[str, str]] = {path: {} for path in paths}
        for path, name, value in zip(fields[::3], fields[1::3], fields[2::3], strict=False):
            if value != "unspecified":
                found[path][name] = value
        return found

    def _git(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run git with an index of its own, from which it reads the attributes."""
        done = subprocess.run(
            ["git", *SAFE, *arguments],
            env=environment(GIT_DIR=str(self._git_dir), GIT_INDEX_FILE=str(self._index)),
            input=stdin,
            capture_output=True,
            check=False,
            timeout=LOCAL_TIMEOUT.total_seconds(),
        )
        if done.returncode:
            words = ending(done.stderr.decode(errors="replace").strip(), 300)
            raise WorkspaceError(f"git {arguments[0]} failed: {words}", code="GIT_FAILED")
        return done.stdout
