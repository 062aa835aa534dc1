"""Finds the lines that a pull request's diff shows: GitHub takes inline comments on those alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from miyabi_github_gateway.adapters.sending.answers import json_of
from miyabi_github_gateway.adapters.sending.http import GitHubHttp

#: GitHub's largest page.
PAGE = 100
#: GitHub lists 3,000 files of a pull request at most.
MOST_PAGES = 30
_HUNK = re.compile(r"^@@ -\d+(?:,\d+)? \+(\d+)(?:,\d+)? @@")


async def shown_lines(http: GitHubHttp, repository: str, number: int) -> dict[str, frozenset[int]]:
    """Return the lines of the head that the diff shows, by path; a file without a patch (too large, binary) has none.

    Source: docs.github.com, REST API, "List pull requests files".

    Raises:
        MiyabiError: GitHub did not answer.
    """
    found: dict[str, frozenset[int]] = {}
    for page in range(1, MOST_PAGES + 1):
        parameters = {"per_page": PAGE, "page": page}
        answer = await http.rest("GET", f"/repos/{repository}/pulls/{number}/files", params=parameters)
        files = [] if answer.status_code == 404 else json_of(answer)
        found |= {file["filename"]: frozenset(lines_of(file.get("patch") or "")) for file in files}
        if len(files) < PAGE:
            break
    return found


def lines_of(patch: str) -> Iterator[int]:
    """Yield the lines of the new side that a file's hunks show, context and all."""
    number = 0
    for line in patch.split("\n"):
        if (hunk := _HUNK.match(line)) is not None:
            number = int(hunk[1])
        elif number and line[:1] in {"+", " "}:
            yield number
            number += 1
