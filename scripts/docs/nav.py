"""The site's navigation: what people look for, in the order in which they come to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

#: A page, or a heading with what is below it.
Entry: TypeAlias = "str | dict[str, str | list[Entry]]"

_RUN: list[Entry] = [
    "team.md",
    {"Kubernetes": "kubernetes.md"},
    {"Scale": "scale.md"},
    {"The gateway and GitHub's limits": "gateway.md"},
    {"The sandbox": "sandbox.md"},
    {"What is promised against whom": "project/security.md"},
]
_REFERENCE: list[Entry] = [
    {"All of it": "reference/index.md"},
    {"The command": "reference/command.md"},
    {"The command for machines": "command.md"},
    {"Settings": "reference/settings.md"},
    {".miyabi.yaml": "reference/repository-file.md"},
    {".miyabi.yaml by examples": "repository-file.md"},
    {"HTTP": "reference/http.md"},
    {"Events": "reference/events.md"},
    {"Metrics": "reference/metrics.md"},
    {"Traces, metrics, logs": "telemetry.md"},
    {"Review score": "review-score.md"},
]
_ABOUT: list[Entry] = [
    {"Overview": "project/overview.md"},
    {"Architecture": "project/architecture.md"},
    {"Changes": "project/changes.md"},
    {"Dispatch, profiled": "dispatch-profile.md"},
]


def navigation(pages: Sequence[str]) -> list[Entry]:
    """Return the navigation.

    Args:
        pages: Every page of the site, relative to it, sorted.
    """
    runbooks = [page for page in pages if page.startswith("runbooks/") and not page.endswith("README.md")]
    decisions = [page for page in pages if page.startswith("adr/") and not page.endswith("README.md")]
    interfaces = [page for page in pages if page.startswith("reference/interfaces/")]
    return [
        {"Miyabi": "index.md"},
        {"Try it": "try.md"},
        {"Use it on your repository": "use.md"},
        {"Run it for a team": _RUN},
        {"Operate it": ["operate.md", {"Runbooks": ["runbooks/README.md", *runbooks]}]},
        {
            "Extend it": [
                "extend/index.md",
                "extend/agent.md",
                "extend/analyser.md",
                "extend/toolchain.md",
                "toolchains.md",
            ]
        },
        {"Reference": [*_REFERENCE, {"Interfaces": ["reference/rpcs.md", *interfaces]}]},
        {"How it compares": "compare.md"},
        {"The project": [*_ABOUT, {"Decisions": ["adr/README.md", *decisions]}]},
    ]
