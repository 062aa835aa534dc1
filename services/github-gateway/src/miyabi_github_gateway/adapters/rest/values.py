"""Builds what the gateway reads from REST's objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from miyabi_github_gateway.errors import MalformedAnswerError
from miyabi_github_gateway.models import PullRequest


def pull_request(raw: Mapping[str, Any]) -> PullRequest:
    """Build a pull request.

    Raises:
        MalformedAnswerError: a documented field is missing.
    """
    try:
        return PullRequest(
            number=raw["number"],
            id=raw["node_id"],
            title=raw["title"],
            body=raw.get("body") or "",
            state=raw["state"],
            draft=bool(raw.get("draft")),
            merged=bool(raw.get("merged_at")),
            head_branch=raw["head"]["ref"],
            head_sha=raw["head"]["sha"],
            base_branch=raw["base"]["ref"],
            url=raw["html_url"],
            labels=tuple(label["name"] for label in raw.get("labels", ())),
            base_sha=raw["base"]["sha"],
        )
    except (KeyError, TypeError) as error:
        raise MalformedAnswerError from error
