"""Which repositories the gateway serves."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from miyabi_github_gateway.errors import RepositoryNotAllowedError


class AllowList:
    """Patterns of repositories, as the shell matches names; GitHub's names have no case.

    Args:
        patterns: For example `acme/*` or `acme/web-?`; `*` is every repository.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = tuple(pattern.strip().casefold() for pattern in patterns if pattern.strip())

    def allows(self, repository: str) -> bool:
        """Tell whether a repository, `owner/name`, matches a pattern."""
        name = repository.casefold()
        return any(fnmatchcase(name, pattern) for pattern in self._patterns)

    def check(self, repository: str) -> None:
        """Refuse a repository that matches no pattern.

        Raises:
            RepositoryNotAllowedError: it matches none.
        """
        if not self.allows(repository):
            raise RepositoryNotAllowedError(repository)
