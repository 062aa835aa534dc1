"""One bad line costs no other: inline comments that fit stay on their lines, the rest is named in the review's body."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web
from running_gateway import gateway_before
from scripted_github import scripted

from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_github_gateway.adapters.writing.diff_lines import lines_of

REPOSITORY = "acme/toy"
PATCH = (
    "@@ -1,3 +1,4 @@\n one\n-two\n+zwei\n+drei\n four\n\\ No newline at end of file\n@@ -20,0 +22,2 @@ def f():\n+a\n+b"
)


def test_the_lines_of_a_patch_are_those_of_the_new_side():
    """Context and additions count, removals do not."""
    assert list(lines_of(PATCH)) == [1, 2, 3, 4, 22, 23]
    assert list(lines_of("")) == []


class Forge:
    """Takes a review where each of its comments stands on a line of the patch, as GitHub does; *strict*: where it has none."""

    def __init__(self, *, strict: bool = False) -> None:
        self.reviews: list[dict[str, Any]] = []
        self.strict = strict

    async def answer(self, asked: web.Request) -> web.Response:
        """Answer a request."""
        if asked.path.endswith("/files"):
            files = [{"filename": "a.py", "patch": PATCH}, {"filename": "big.bin"}]
            return web.json_response(files)
        if asked.path.endswith("/reviews") and asked.method == "POST":
            return self._made(json.loads(await asked.read()))
        if asked.path.endswith("/reviews"):
            return web.json_response(self.reviews)
        if "/reviews/" in asked.path:
            return web.json_response(self.reviews[0])
        return web.json_response({"login": "bot", "data": {"viewer": {"login": "bot"}}})

    def _made(self, body: dict[str, Any]) -> web.Response:
        """Make a review, or refuse it."""
        comments = body.get("comments", [])
        fits = all(one["path"] == "a.py" and one["line"] in {1, 2, 3, 4, 22, 23} for one in comments)
        if comments and (self.strict or not fits):
            return web.json_response(
                {"message": "Unprocessable Entity", "errors": ["Line could not be resolved"]}, status=422
            )
        user = {"login": "bot"}
        self.reviews.append(
            {"id": 5, "body": body["body"], "html_url": "https://h/5", "user": user, "comments": comments}
        )
        return web.json_response(self.reviews[-1])


def on(path: str, line: int) -> pb.ReviewComment:
    """Return an inline comment."""
    return pb.ReviewComment(path=path, line=line, body=f"About {path}\nline {line}. " + "x" * 200)


@pytest.mark.parametrize("strict", [False, True], ids=["one line", "all of them"])
async def test_comments_that_fit_are_written_and_the_others_named(redis_url: str, strict: bool) -> None:
    """Of three comments two stand beside the diff: one is inline, two are in the body; where none is taken, all are."""
    forge = Forge(strict=strict)
    wanted = pb.PostReviewRequest(
        repository=REPOSITORY, number=7, marker="review", body="text", commit_sha="a" * 40,
        comments=[on("a.py", 3), on("a.py", 9), on("big.bin", 1)],
    )  # fmt: skip
    async with scripted(forge.answer) as github:
        subject: Any = github
        async with gateway_before(subject, "t", redis_url) as gateway:
            made = await gateway.stub.PostReview(wanted)
            again = await gateway.stub.PostReview(wanted)
    (review,) = forge.reviews
    assert (made.created, again.created, len(review["comments"])) == (True, False, 0 if strict else 1)
    named = [f"`{one.path}:{one.line}`" in review["body"] for one in wanted.comments]
    assert named == [strict, True, True]
    assert made.notes[0].startswith(f"{3 if strict else 2} inline comments were not written")
    # The repeat edits nothing: what the body says of them stays.
    assert all(method != "PUT" for method, _ in github.requests)
