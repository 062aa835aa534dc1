"""Real issues with the files that their fixes touched."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """An issue, the commit that it was reported against, and the files that its fix touched.

    Source: SWE-bench Lite (Jimenez et al., ICLR 2024) as LocAgent lists it (Chen et al., ACL 2025), one JSON object a
    line with instance_id, repo, base_commit, problem_statement, created_at, ground_truth_files.
    """

    name: str
    repository: str
    commit: str
    text: str
    created: datetime
    touched: frozenset[str]


def read_cases(data: Path) -> list[Case]:
    """Read issues from a file.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is no such object.
    """
    cases = []
    for number, line in enumerate(data.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            entry = json.loads(line)
            created = datetime.fromisoformat(entry["created_at"])
            cases.append(
                Case(
                    entry["instance_id"],
                    entry["repo"],
                    entry["base_commit"],
                    entry["problem_statement"],
                    created if created.tzinfo else created.replace(tzinfo=UTC),
                    frozenset(entry["ground_truth_files"]),
                )
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{data}, line {number}: no issue: {error!r}") from error
    return cases
