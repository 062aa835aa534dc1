"""Sets labels over REST; sends nothing where nothing differs."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from miyabi_github_gateway.adapters.http import GitHubHttp, json_of
from miyabi_github_gateway.errors import GitHubRefusedError, IssueNotFoundError
from miyabi_github_gateway.models import Label
from miyabi_github_gateway.service.governor import Cost

#: GitHub's largest page, and the most labels that an issue may have.
PAGE = 100


class LabelWriter:
    """Adds and removes the labels of an issue or pull request."""

    def __init__(self, http: GitHubHttp) -> None:
        self._http = http

    async def set(
        self, repository: str, number: int, *, add: Sequence[Label], remove: Sequence[str]
    ) -> tuple[list[str], bool]:
        """Add and remove labels; a label that is in both is added.

        Raises:
            IssueNotFoundError: there is no such issue, or the credential may not write to it.
        """
        path = f"/repos/{repository}/issues/{number}/labels"
        current = await self._labels(path, repository, number)
        have = {name.casefold() for name in current}
        missing = [label for label in add if label.name.casefold() not in have]
        added = {label.name.casefold() for label in add}
        surplus = [name for name in remove if name.casefold() in have and name.casefold() not in added]
        if missing:
            await self._create(repository, missing)
            names = [label.name for label in missing]
            answer = await self._http.rest("POST", path, cost=Cost.WRITE, json={"labels": names})
            if answer.status_code == 404:
                raise IssueNotFoundError(repository, [number])
            current = [label["name"] for label in json_of(answer)]
        for name in surplus:
            # 404: someone else removed it meanwhile, which is what was wanted.
            await self._http.rest("DELETE", f"{path}/{quote(name, safe='')}", cost=Cost.WRITE)
        left = {name.casefold() for name in surplus}
        return sorted(name for name in current if name.casefold() not in left), bool(missing or surplus)

    async def _labels(self, path: str, repository: str, number: int) -> list[str]:
        """Read an issue's labels."""
        answer = await self._http.rest("GET", path, params={"per_page": PAGE})
        if answer.status_code == 404:
            raise IssueNotFoundError(repository, [number])
        return [label["name"] for label in json_of(answer)]

    async def _create(self, repository: str, labels: Sequence[Label]) -> None:
        """Create the labels that the repository does not have."""
        for label in labels:
            body = {"name": label.name, "color": label.color or "ededed", "description": label.description}
            known = await self._http.rest("GET", f"/repos/{repository}/labels/{quote(label.name, safe='')}")
            if known.status_code == 404:
                try:
                    await self._http.rest("POST", f"/repos/{repository}/labels", cost=Cost.WRITE, json=body)
                except GitHubRefusedError as error:
                    if "already_exists" not in error.message:
                        raise
