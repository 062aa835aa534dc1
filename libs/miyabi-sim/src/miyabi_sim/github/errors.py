"""The refusals of the simulated GitHub, in GitHub's JSON shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

#: Where GitHub's error answers point.
DOCUMENTATION_URL = "https://docs.github.com/rest"


class GitHubError(Exception):
    """A request that GitHub would refuse."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        errors: Sequence[Mapping[str, Any] | str] | str = (),
        headers: Mapping[str, str] | None = None,
        documentation_url: str = DOCUMENTATION_URL,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        #: As GitHub writes them: objects, texts, or one text.
        self.errors = errors
        self.headers = dict(headers or {})
        self.documentation_url = documentation_url

    def body(self) -> dict[str, Any]:
        """Return the JSON body; `errors` stands in it only where there are some."""
        body: dict[str, Any] = {"message": self.message}
        if self.errors:
            body["errors"] = self.errors if isinstance(self.errors, str) else list(self.errors)
        return body | {"documentation_url": self.documentation_url, "status": str(self.status)}

    def response(self) -> web.Response:
        """Return the HTTP answer."""
        return web.json_response(self.body(), status=self.status, headers=self.headers)


class MovedError(GitHubError):
    """What was asked for is at another address of the same GitHub."""

    def __init__(self, location: str) -> None:
        super().__init__(301, "Moved Permanently", headers={"Location": location})
        self._location = location

    def body(self) -> dict[str, Any]:
        """Return the JSON body."""
        return {"message": self.message, "url": self._location, "documentation_url": self.documentation_url}


def archived() -> GitHubError:
    """Return the answer to every write in an archived repository."""
    return GitHubError(403, "Repository was archived so is read-only.")


def not_found() -> GitHubError:
    """Return the answer for what does not exist or may not be seen."""
    return GitHubError(404, "Not Found")


def validation_failed(resource: str, code: str, *, field: str = "", message: str = "") -> GitHubError:
    """Return GitHub's 422 with one entry; empty parts of the entry are left out."""
    entry = {"resource": resource, "field": field, "code": code, "message": message}
    return GitHubError(422, "Validation Failed", errors=[{k: v for k, v in entry.items() if v}])
