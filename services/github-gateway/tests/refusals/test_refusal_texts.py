"""GitHub's words reach the caller whole, in whatever form they come, and no header makes a wait without end."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from test_refusals import COMMENT, ME, READ, refused

#: Forms of `errors` in an answer 422, with what a person must read of each.
FORMS: dict[str, tuple[Any, str]] = {
    "objects": (
        [{"resource": "Label", "field": "name", "code": "already_exists"}, {"resource": "Issue", "code": "missing"}],
        "Validation Failed; Label.name: already_exists; Issue: missing",
    ),
    "object with a message": (
        [{"resource": "Issue", "field": "title", "code": "custom", "message": "title is too long"}],
        "Validation Failed; Issue.title: title is too long",
    ),
    "object with a code and a message": (
        [{"resource": "Issue", "field": "labels", "code": "unprocessable", "message": "too many"}],
        "Validation Failed; Issue.labels: unprocessable: too many",
    ),
    "object with a message alone": ([{"message": "No commits between a and b"}], "Validation Failed; No commits between a and b"),
    "object that says otherwise": ([{"value": "x"}], 'Validation Failed; {"value": "x"}'),
    "texts": (["first", "second"], "Validation Failed; first; second"),
    "one text": ("Issue cannot be assigned", "Validation Failed; Issue cannot be assigned"),
    "one object": ({"resource": "Label", "field": "color", "code": "invalid"}, "Validation Failed; Label.color: invalid"),
    "texts and objects": (["a", {"field": "b", "code": "c"}], "Validation Failed; a; b: c"),
    "number": ([7], "Validation Failed; 7"),
    "null": (None, "Validation Failed"),
    "nothing": ([], "Validation Failed"),
    "empty text": ("", "Validation Failed"),
}  # fmt: skip


@pytest.mark.parametrize("form", sorted(FORMS))
async def test_validation_error_is_told_in_words(redis_url: str, form: str) -> None:
    """Each form keeps the resource, the field and the words, and no text is taken for a list of letters."""
    errors, expected = FORMS[form]
    body = {"message": "Validation Failed", "errors": errors, "status": "422"}
    error = await refused(COMMENT, redis_url, user=ME, comments=(422, {}, body))
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "GITHUB_REFUSED")
    assert error.message == f"GitHub refuses: {expected}"


async def test_message_that_is_none_is_told_as_the_status(redis_url: str) -> None:
    """An answer without words is told by its status."""
    error = await refused(COMMENT, redis_url, user=ME, comments=(422, {}, {"message": None}))
    assert error.message == "GitHub refuses: HTTP 422"


async def test_words_without_end_are_cut_and_say_so(redis_url: str) -> None:
    """What is longer than any refusal of GitHub's ends with a mark, in the message and in the metadata."""
    error = await refused(COMMENT, redis_url, user=ME, comments=(422, {}, {"message": "x" * 5000}))
    assert error.message.endswith("x… (cut)")
    assert error.metadata["message"].endswith("x…")


@pytest.mark.parametrize(
    "value",
    ["inf", "1e9", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT", "Sat, 01 Jan 2050 00:00:00 GMT"],
)
async def test_wait_without_end_is_bounded_and_said(redis_url: str, value: str) -> None:
    """Whatever GitHub or a proxy says, it is asked again after an hour, and the caller reads what was said."""
    error = await refused(READ, redis_url, graphql=(403, {"retry-after": value}, {"message": "wait"}))
    assert (error.code, error.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "GITHUB_RATE_LIMITED")
    assert error.retry_after is not None
    assert 3500 < error.retry_after.total_seconds() <= 3601
    assert value[:20] in error.message
    assert "after an hour at the latest" in error.message


@pytest.mark.parametrize(
    "value", ["nan", "soon", "", "Mon, 99 Foo 2026 00:00:00 GMT", "Mon, 01 Jan 999999 00:00:00 GMT"]
)
async def test_wait_that_is_no_time_is_the_documented_minute(redis_url: str, value: str) -> None:
    """What cannot be read as a time is as if nothing had been said: a minute, drawn out by a little."""
    error = await refused(READ, redis_url, timeout=20, graphql=(429, {"retry-after": value}, {"message": "wait"}))
    assert error.reason == "GITHUB_RATE_LIMITED"
    assert error.retry_after is not None
    assert 55 < error.retry_after.total_seconds() <= 75


@pytest.mark.parametrize("value", ["-5", "0", "-inf", "Thu, 01 Jan 1970 00:00:00 GMT"])
async def test_wait_that_is_over_is_the_shortest(redis_url: str, value: str) -> None:
    """A time that is past is a second, as often as GitHub says so."""
    error = await refused(READ, redis_url, timeout=20, graphql=(403, {"retry-after": value}, {"message": "wait"}))
    assert error.reason == "GITHUB_RATE_LIMITED"
    assert error.retry_after is not None
    assert error.retry_after.total_seconds() <= 2


@pytest.mark.parametrize("reset", ["99999999999", "9" * 5000, "1e30", "inf"])
async def test_reset_far_away_is_bounded(redis_url: str, reset: str) -> None:
    """The moment at which the hour begins anew is at most an hour away."""
    headers = {
        "x-ratelimit-resource": "graphql", "x-ratelimit-limit": "5000", "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": reset,
    }  # fmt: skip
    error = await refused(READ, redis_url, graphql=(403, headers, {"message": "API rate limit exceeded"}))
    assert error.reason == "GITHUB_RATE_LIMITED"
    assert error.retry_after is not None
    assert error.retry_after.total_seconds() <= 3601
