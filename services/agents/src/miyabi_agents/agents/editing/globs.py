"""Globs with which files are chosen for listing and searching."""

from __future__ import annotations

from miyabi_agents.verification.targets import matches

#: Globs that one with braces may stand for.
MAX_EXPANDED = 64


def fits(glob: str, path: str) -> bool:
    """Tell whether a path is chosen: `*.py` at any depth, `src/**/*.{ts,tsx}` from the root; empty chooses all."""
    return not glob or any(matches(one if "/" in one else f"**/{one}", path) for one in expanded(glob))


def expanded(glob: str) -> list[str]:
    """Return a glob's alternatives written out.

    Raises:
        ValueError: there are more than 64.
    """
    waiting, found = [glob.removeprefix("./")], []
    while waiting:
        one = waiting.pop()
        close = one.find("}")
        start = one.rfind("{", 0, close) if close >= 0 else -1
        if start < 0:
            found.append(one)
        else:
            waiting += [one[:start] + piece + one[close + 1 :] for piece in one[start + 1 : close].split(",")]
        if len(waiting) + len(found) > MAX_EXPANDED:
            raise ValueError(f"glob: it has more than {MAX_EXPANDED} alternatives in braces")
    return found
