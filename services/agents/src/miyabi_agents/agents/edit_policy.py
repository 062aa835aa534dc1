"""Which files a change may touch, and how much it may write: decided at the edit, before more money is spent."""

from __future__ import annotations

from collections.abc import Iterable

from miyabi.coordinator.v1.result_pb2 import FileChange
from miyabi_agents.toolchains.registry import TOOLCHAINS
from miyabi_agents.verification.targets import matches
from miyabi_agents.workspace.linkfree import alike
from miyabi_core.text import exact

#: What runs with a repository's own credentials as soon as it is pushed, tells bots that have them what to merge or to
#: set, or decides what git does with other files.
REFUSED = (
    ".github/workflows/**", ".github/actions/**", ".github/dependabot.yml", ".github/CODEOWNERS", "CODEOWNERS",
    "docs/CODEOWNERS", ".gitlab-ci.yml", ".gitlab/**", ".circleci/**", ".buildkite/**", ".travis.yml", ".drone.yml",
    ".woodpecker.yml", ".woodpecker/**", "azure-pipelines.yml", "bitbucket-pipelines.yml", "Jenkinsfile",
    "appveyor.yml", ".cirrus.yml", ".semaphore/**", ".teamcity/**", ".azure-pipelines/**", ".gitea/**", ".forgejo/**",
    ".github/dependabot.yaml", ".github/settings.yml", ".mergify.yml", ".mergify/**", ".github/mergify.yml",
    ".kodiak.toml", ".github/.kodiak.toml", "bors.toml", ".github/bors.toml", "renovate.json", "renovate.json5",
    ".renovaterc", ".renovaterc.json", ".renovaterc.json5", ".github/renovate.json", ".github/renovate.json5",
    ".gitattributes", "**/.gitattributes", ".gitmodules", ".lfsconfig", ".miyabi.yaml",
)  # fmt: skip
#: What programs of developers run when they open, commit to or work on a checkout, and what other models obey there.
OPENED = (
    ".husky/**", ".githooks/**", ".pre-commit-config.yaml", "lefthook.yml", ".lefthook.yml", ".lintstagedrc*", ".envrc",
    ".vscode/**", ".idea/**", ".devcontainer/**", ".devcontainer.json", ".gitpod.yml", "**/AGENTS.md", "**/CLAUDE.md",
    "**/GEMINI.md", ".cursorrules", ".cursor/**", ".windsurfrules", ".clinerules*", ".github/copilot-instructions.md",
    ".github/instructions/**", ".github/prompts/**", ".claude/**", ".mcp.json",
)  # fmt: skip
#: Longest file that a change may write, in bytes: source code is far shorter.
MAX_FILE_BYTES = 2 << 20
#: Most that all files of a change may hold together, in bytes; an outcome's message has to hold them.
MAX_CHANGE_BYTES = 10 << 20
#: Most files of a change; the interface's own limit.
MAX_FILES = 1000

_REFUSED_FOLDED, _OPENED_FOLDED = (tuple(alike(pattern) for pattern in patterns) for patterns in (REFUSED, OPENED))


def refusal_of(path: str) -> str:
    """Return why a change may not touch a path, for the model; empty where it may."""
    if any(matches(pattern, alike(path)) for pattern in _REFUSED_FOLDED):
        return f"{exact(path)} may not be changed: it is run, or obeyed, with the repository's own rights"
    return ""


def acts_elsewhere(path: str) -> bool:
    """Tell whether a file says what is installed, or what developers' programs run or obey."""
    opened = any(matches(pattern, alike(path)) for pattern in _OPENED_FOLDED)
    return opened or any(toolchain.is_manifest(path) for toolchain, _ in TOOLCHAINS)


def harness_note(path: str, before: bytes | None, after: bytes | None) -> str:
    """Return what the model is told of an edit that changes how tests are found, run or judged; empty for any other.

    Args:
        path: The file.
        before: Its content before the edit; None where it was not there.
        after: Its content after it; None where it is gone.
    """
    if before == after or not any(toolchain.harness_changed(path, before, after) for toolchain, _ in TOOLCHAINS):
        return ""
    return f"; {path} decides how tests are run, so a person has to approve the change before its pull request"


def size_refusal(path: str, size: int) -> str:
    """Return why a file's new content is not taken; empty where it is."""
    return f"{exact(path)} would have {size} bytes; at most {MAX_FILE_BYTES} are taken" if size > MAX_FILE_BYTES else ""


def twin_of(path: str, others: Iterable[str]) -> str:
    """Return a file or folder that some system takes for *path* or one of its folders; empty where there is none."""
    own = {alike(part): part for part in _prefixes(path)}
    for other in others:
        for part in _prefixes(other):
            if own.get(alike(part), part) != part:
                return part
        if own.get(alike(other), "") == other != path:
            return other
    return ""


def _prefixes(path: str) -> list[str]:
    """Return a path and its folders."""
    parts = path.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]


def problem_of(files: Iterable[FileChange]) -> str:
    """Return why a whole change is not taken, in one sentence; empty where it is."""
    changed = list(files)
    if len(changed) > MAX_FILES:
        return f"the change has {len(changed)} files; at most {MAX_FILES} are taken"
    total = sum(len(file.content) for file in changed)
    if total > MAX_CHANGE_BYTES:
        return f"the change has {total} bytes; at most {MAX_CHANGE_BYTES} are taken"
    found = (refusal_of(file.path) or size_refusal(file.path, len(file.content)) for file in changed)
    refused = next(filter(None, found), "")
    if refused:
        return refused
    seen: dict[str, str] = {}
    for file in (file for file in changed if not file.deleted):
        twin = seen.setdefault(alike(file.path), file.path)
        if twin != file.path:
            return f"{file.path} and {twin} are one file on some systems"
    return ""
