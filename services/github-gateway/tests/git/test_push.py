"""What of a push is read, refused and answered, without any server."""

from __future__ import annotations

import time

import pytest

from miyabi_github_gateway.adapters.git.pktline import FLUSH, MalformedPktLineError, band, encode, joined_band, lines
from miyabi_github_gateway.adapters.git.push import HeadReader, PushHead, PushRefusedError, accepted, refusal, report

ZERO, OLD, NEW = "0" * 40, "b" * 40, "a" * 40
CAPABILITIES = "\0 report-status side-band-64k agent=git/2"


def command(ref: str, *, old: str = ZERO, new: str = NEW, more: str = "") -> bytes:
    """Return one ref update."""
    return encode(f"{old} {new} {ref}{more}".encode())


def parse(data: bytes) -> PushHead | None:
    """Read the head of a push that arrives in one piece."""
    return HeadReader(most_bytes=1 << 16).feed(data)


def test_push_is_read_across_chunks() -> None:
    """A list of ref updates is whole only with its flush; the pack behind it is kept with it."""
    whole = command("refs/heads/miyabi/x", more=CAPABILITIES) + FLUSH
    reader = HeadReader(most_bytes=len(whole))
    assert [None] * (len(whole) - 1) == [reader.feed(whole[at : at + 1]) for at in range(len(whole) - 1)]
    head = reader.feed(whole[-1:] + b"PACK")
    assert head is not None
    assert (["refs/heads/miyabi/x"], whole + b"PACK", False) == ([u.ref for u in head.updates], head.raw, head.is_probe)


def test_long_list_in_single_bytes_costs_no_more_than_at_once() -> None:
    """However a list of refs arrives, each byte is looked at once, and beyond the bound it is refused."""
    whole = b"".join(command(f"refs/heads/miyabi/{number}") for number in range(900))
    reader, began = HeadReader(most_bytes=64 << 10), time.process_time()
    assert {None} == {reader.feed(whole[at : at + 1]) for at in range(64 << 10)}
    with pytest.raises(PushRefusedError, match="too many refs"):
        reader.feed(whole[64 << 10 :])
    assert time.process_time() - began < 1.5


def test_empty_push_is_the_probe_before_a_large_one() -> None:
    """Git asks with a lone flush whether it has to log in."""
    head = parse(FLUSH)
    assert head is not None
    assert head.is_probe


def test_push_from_a_shallow_clone_is_read() -> None:
    """Lines on shallow commits come before the updates and are no updates."""
    head = parse(encode(f"shallow {OLD}".encode()) + command("refs/heads/miyabi/x") + FLUSH)
    assert head is not None
    assert [update.ref for update in head.updates] == ["refs/heads/miyabi/x"]


@pytest.mark.parametrize(
    "bad",
    [
        b"zzzz",
        encode(b"push-cert\0 x") + FLUSH,
        encode(b"a b c") + FLUSH,
        b"0001",
        b"0003",
        b"+0a5",
        b" 0a5",
        b"0xa5",
        b"0_a5",
    ],
)
def test_what_cannot_be_read_is_refused(bad: bytes) -> None:
    """Bytes that are no list of ref updates never reach GitHub."""
    with pytest.raises(PushRefusedError):
        parse(bad)


@pytest.mark.parametrize(
    ("ref", "new"),
    [
        ("refs/heads/main", NEW), ("refs/tags/v1", NEW), ("refs/heads/miyabi-not", NEW), ("refs/heads/miyabi/", NEW),
        ("refs/heads/miyabi/../main", NEW), ("refs/heads/miyabi/x.lock", NEW), ("refs/heads/miyabi//x", NEW),
        ("refs/heads/miyabi/x\t", NEW), ("refs/heads/miyabi/a b", NEW), ("refs/heads/miyabi/x", ZERO),
    ],
)  # fmt: skip
def test_ref_is_refused(ref: str, new: str) -> None:
    """Only plain names below `miyabi/` pass, and nothing is deleted."""
    head = parse(command(ref, old=OLD, new=new) + FLUSH)
    assert head is not None
    assert [bool(refusal(update)) for update in head.updates] == [True]


def test_refusal_answers_for_every_ref() -> None:
    """A push is refused whole: the ref at fault gets its reason, the others learn of it."""
    head = parse(command("refs/heads/main", more=CAPABILITIES) + command("refs/heads/miyabi/x") + FLUSH)
    assert head is not None
    answer = report(head, {"refs/heads/main": "not there"})
    status = [line.data for line in lines(joined_band(answer, 1))]
    assert status == [
        b"unpack ok\n",
        b"ng refs/heads/main not there\n",
        b"ng refs/heads/miyabi/x refused together with another ref of the same push\n",
        None,
    ]
    assert joined_band(answer, 2) == b"miyabi: refs/heads/main: not there\n"


def test_only_what_github_took_counts_as_pushed() -> None:
    """Refs that GitHub answers with `ng` are not remembered as ours."""
    head = parse(command("refs/heads/miyabi/x", more=CAPABILITIES) + command("refs/heads/miyabi/y") + FLUSH)
    assert head is not None
    status = (
        encode(b"unpack ok\n") + encode(b"ok refs/heads/miyabi/x\t") + encode(b"ng refs/heads/miyabi/y no\n") + FLUSH
    )
    assert [update.ref for update in accepted(head, band(1, status) + FLUSH)] == ["refs/heads/miyabi/x"]
    assert accepted(head, b"garbage") == []


def test_a_line_is_never_longer_than_git_allows() -> None:
    """Side-band data is cut into lines; one line too long is refused."""
    data = b"x" * 200_000
    assert data == joined_band(band(1, data), 1)
    with pytest.raises(MalformedPktLineError):
        encode(data)
