"""What of a push is refused: for the repository's state, for its rules, for what the credential lacks."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from aiohttp import web

from miyabi_sim.github.errors import GitHubError
from miyabi_sim.github.kept.models import Repository, Ruleset
from miyabi_sim.github.rules import push_hook
from miyabi_sim.github.rules.branches import branches_of

#: Roles that may push.
_PUSHING = frozenset({"ADMIN", "MAINTAIN", "WRITE"})
#: What GitHub says of a workflow file, by the kind of credential.
_WORKFLOWS = {
    "token": (
        "refusing to allow a Personal Access Token to create or update workflow `{path}` without `workflow` scope"
    ),
    "app": "refusing to allow a GitHub App to create or update workflow `{path}` without `workflows` permission",
}
#: What git says where a hook refused, in place of which GitHub says why.
_BY_HOOK = b"hook declined"
#: Bytes of the size before a line of git's protocol.
_HEAD = 4
#: Data of one line on a side band.
_BAND_DATA = 65_515


class GitRefusedError(GitHubError):
    """A request of git's that is refused in words that git shows behind `remote:`."""

    def response(self) -> web.Response:
        """Return the HTTP answer."""
        return web.Response(status=self.status, text=f"{self.message}\n", content_type="text/plain")


def check_pushable(repository: Repository, login: str) -> None:
    """Refuse every push to a repository that takes none.

    Raises:
        GitRefusedError: 403 it is archived, or the account may not push.
    """
    if repository.archived:
        raise GitRefusedError(403, "This repository was archived so it is read-only.")
    if repository.viewer_permission not in _PUSHING:
        raise GitRefusedError(403, f"Permission to {repository.full_name}.git denied to {login}.")


@contextmanager
def hooked(repository: Repository, *, page: str, workflows: bool, is_app: bool) -> Iterator[dict[str, str]]:
    """Yield git's environment for a push, with the hook where there is anything that it may refuse.

    Args:
        repository: That is pushed to.
        page: Address of the page of its rules.
        workflows: Whether workflow files may be changed.
        is_app: Whether an App pushes.
    """
    rulesets = [ruleset for ruleset in repository.rulesets if not ruleset.bypassed]
    if not rulesets and workflows:
        yield {}
        return
    forbidden = {
        "rules": [_entry(repository, ruleset) for ruleset in rulesets],
        "workflows": "" if workflows else _WORKFLOWS["app" if is_app else "token"],
        "page": page,
    }
    with TemporaryDirectory(prefix="push-") as name:
        hook = Path(name) / "update"
        hook.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I "{push_hook.__file__}" "$@"\n')
        hook.chmod(0o700)
        yield {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "core.hooksPath",
            "GIT_CONFIG_VALUE_0": name,
            push_hook.FORBIDDEN: json.dumps(forbidden),
            push_hook.REASONS: str(Path(name) / "reasons"),
        }


def _entry(repository: Repository, ruleset: Ruleset) -> dict[str, object]:
    return {"refs": branches_of(repository, ruleset), "rules": ruleset.rules}


def with_reasons(answer: bytes, environment: Mapping[str, str]) -> bytes:
    """Return git's answer to a push with GitHub's reasons in place of the hook's refusal."""
    path = Path(environment.get(push_hook.REASONS, ""))
    if not path.is_file():
        return answer
    reasons = dict(map(json.loads, filter(None, path.read_text("utf-8").split("\n"))))
    band = b"".join(data[1:] for data in _lines(answer) if data[:1] == b"\x01")
    if not band:
        return _rewritten(answer, reasons)
    said = b"".join(_encoded(data) for data in _lines(answer) if data[:1] == b"\x02")
    report = _rewritten(band, reasons)
    parts = [report[start : start + _BAND_DATA] for start in range(0, len(report), _BAND_DATA)]
    return said + b"".join(_encoded(b"\x01" + part) for part in parts) + b"0000"


def _rewritten(report: bytes, reasons: Mapping[str, str]) -> bytes:
    """Return a report of a push's refs with the reasons."""
    lines = []
    for data in _lines(report):
        refused = re.fullmatch(rb"ng (\S+) " + _BY_HOOK + rb"\n?", data)
        reason = reasons.get(refused[1].decode("utf-8", "replace"), "") if refused else ""
        lines.append(_encoded(b"ng " + refused[1] + b" " + reason.encode() + b"\n" if refused and reason else data))
    return b"".join(lines) + b"0000"


def _lines(data: bytes) -> Iterator[bytes]:
    """Yield the data of each line of git's protocol (gitprotocol-common)."""
    position = 0
    while position + _HEAD <= len(data):
        size = int(data[position : position + _HEAD], 16)
        if size > _HEAD:
            yield data[position + _HEAD : position + size]
        position += max(size, _HEAD)


def _encoded(data: bytes) -> bytes:
    return b"%04x" % (len(data) + _HEAD) + data
