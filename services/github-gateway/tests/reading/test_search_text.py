"""What a search may ask for, and that it stays in its repository."""

from __future__ import annotations

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from running_gateway import REPOSITORY, Running

from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_core.errors import InvalidArgumentError
from miyabi_github_gateway.models import IssueSearch
from miyabi_github_gateway.service.search_text import search_text


@pytest.mark.parametrize(
    "text",
    [
        "crash on start", '"repo:evil/private" crash', "author:octocat -label:bug in:title", 'label:"good first issue"', "see: this", "a-b c:",
        "ORDER of NOTES", "created:>=2026-01-01", "is:closed", "é ü 漢字", "",
    ],
)  # fmt: skip
def test_words_are_passed_on(text: str) -> None:
    """Words, quotations and qualifiers that narrow go to GitHub as they are."""
    assert search_text(REPOSITORY, IssueSearch(text=text)).startswith(
        f"repo:{REPOSITORY} is:issue sort:created-asc {text}".rstrip()
    )


@pytest.mark.parametrize(
    "text",
    [
        "repo:evil/private", "-repo:x/y", "REPO:evil/private", 'repo:"evil/private"', "user:evil", "org:evil", "owner:evil", "enterprise:evil",
        "x OR is:issue", "(x)", "NOT x", "x AND y", 'x"', '"x" "', "sort:created-desc", "http://x", "x\nrepo:y", "x\u200brepo:evil/y", "--repo:a/b", "repo:", "x user: y",
    ],
)  # fmt: skip
def test_words_that_ask_elsewhere_are_refused(text: str) -> None:
    """Other repositories, owners and joined terms are refused, quoted or not."""
    with pytest.raises(InvalidArgumentError):
        search_text(REPOSITORY, IssueSearch(text=text))


@pytest.mark.parametrize(
    "wanted",
    [
        IssueSearch(labels=("bug", 'x" repo:evil/y "')), IssueSearch(milestone='1" repo:evil/y'), IssueSearch(milestone="1\\"),
        IssueSearch(assignee="a repo:evil/y"), IssueSearch(assignee="a\nb"), IssueSearch(labels=("a\x00",)),
    ],
)  # fmt: skip
def test_values_stay_in_their_place(wanted: IssueSearch) -> None:
    """Nothing closes its own quotation marks."""
    with pytest.raises(InvalidArgumentError):
        search_text(REPOSITORY, wanted)


@given(st.text(alphabet='repo:user/"\\ -()ORANDxy\u200b\t', max_size=60), st.text(alphabet='a":\\ repo', max_size=20))
def test_no_words_name_another_repository(text: str, label: str) -> None:
    """Whatever is asked for, there is one qualifier that names a repository, or the one error."""
    try:
        query = search_text(REPOSITORY, IssueSearch(text=text, labels=(label,)))
    except InvalidArgumentError:
        return
    bare = "x".join(query.split('"')[::2])
    assert [word for word in bare.split() if word.lstrip("-").startswith(("repo:", "user:"))] == [f"repo:{REPOSITORY}"]


async def test_refusal_names_the_field(running_gateway: Running) -> None:
    """A caller is told which field asks beyond the repository, before GitHub is asked."""
    call = running_gateway.stub.SearchIssues(pb.SearchIssuesRequest(repository=REPOSITORY, text="x repo:evil/private"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert (caught.value.code(), "text:" in str(caught.value.details())) == (grpc.StatusCode.INVALID_ARGUMENT, True)
