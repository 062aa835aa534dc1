"""The pages of issues and pull requests, so that links into the simulated GitHub open in a browser."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from aiohttp import web

from miyabi_sim.github.errors import not_found
from miyabi_sim.github.kept.models import Issue, PullRequest
from miyabi_sim.github.kept.store import Store
from miyabi_sim.github.routes.wire import number_in_path

#: Nothing on a page may run or load anything: its texts come from whoever wrote the issue.
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title} #{number}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }}
.banner {{ background: #fff3c4; color: #4a3b00; padding: .5rem 1rem; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; }}
</style></head>
<body>
<p class="banner">Simulated GitHub: nothing here is on the real one.</p>
<h1>{title} #{number}</h1>
<p>{kind} in {repository}, {state}, by {author}. Labels: {labels}.</p>
{branches}<pre>{body}</pre>
{comments}
</body>
</html>
"""


class Pages:
    """Serves `/OWNER/NAME/issues/N` and `/OWNER/NAME/pull/N`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the routes."""
        return [
            web.route("GET", "/{owner}/{repo}/issues/{number}", self.item, name="page.issue"),
            web.route("GET", "/{owner}/{repo}/pull/{number}", self.item, name="page.pull"),
        ]

    async def item(self, request: web.Request) -> web.Response:
        """Answer the page of an issue or a pull request."""
        repository = self._store.repository(request.match_info["owner"], request.match_info["repo"])
        item = repository.items.get(number_in_path(request))
        if item is None:
            raise not_found()
        return web.Response(text=render(item), content_type="text/html", headers=PAGE_HEADERS)


def render(item: Issue) -> str:
    """Return the page of an item; every text in it is escaped."""
    pull = item if isinstance(item, PullRequest) else None
    branches = "" if pull is None else f"<p>{escape(pull.head_ref)} into {escape(pull.base_ref)}</p>\n"
    comments = "\n".join(
        f"<h2>{escape(comment.author)}</h2>\n<pre>{escape(comment.body)}</pre>" for comment in item.comments
    )
    return _PAGE.format(
        title=escape(item.title),
        number=item.number,
        kind="Issue" if pull is None else "Pull request",
        repository=escape(item.repository),
        state="merged" if pull is not None and pull.merged else escape(item.state),
        author=escape(item.author),
        labels=escape(", ".join(item.labels) or "none"),
        branches=branches,
        body=escape(item.body),
        comments=comments,
    )
