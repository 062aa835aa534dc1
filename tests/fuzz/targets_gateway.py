"""Fuzz targets of the gateway's parsers: what strangers, GitHub, agents' git and replicas send it as bytes."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator

import msgspec

from miyabi_core.errors import InvalidArgumentError
from miyabi_github_gateway.adapters.git.bodies import MOST_UNZIPPED_BYTES, BodyError, Unzip
from miyabi_github_gateway.adapters.git.pktline import FLUSH, MalformedPktLineError, encode, joined_band, lines
from miyabi_github_gateway.adapters.git.push import HeadReader, PushHead, PushRefusedError, accepted, refusal, report
from miyabi_github_gateway.adapters.redis_cache import codec as cache_codec
from miyabi_github_gateway.adapters.redis_cache import news as cache_news
from miyabi_github_gateway.adapters.redis_cache.news import UnreadableError
from miyabi_github_gateway.adapters.webhooks import InvalidPayloadError, payload_of
from miyabi_github_gateway.models import IssueSearch
from miyabi_github_gateway.service.hooks.events import change_of, mention_of
from miyabi_github_gateway.service.search_text import search_text

#: Of a list of refs here; shorter than production's, so that its bound is met.
_MOST_BYTES = 4096
#: Events that mean something to the gateway.
_EVENTS = ("issues", "issue_comment", "push", "repository", "label")


def webhook_json(data: bytes) -> None:
    """A payload as JSON, and what it is taken to mean."""
    _webhook(data, "application/json")


def webhook_form(data: bytes) -> None:
    """A payload in a form, which is GitHub's default."""
    _webhook(data, "application/x-www-form-urlencoded")


def _webhook(data: bytes, content_type: str) -> None:
    """Read a payload; its meaning is computed for any that can be read."""
    try:
        payload = payload_of(data, content_type)
    except InvalidPayloadError:
        return
    for event in _EVENTS:
        change = change_of(event, payload)
        mention = mention_of(event, payload, label="agent-execute", word="@miyabi")
        assert change is None or (type(change[1]) is int and 0 <= change[1] < 2**31)
        assert mention is None or 0 < mention.number < 2**31


def push_head(data: bytes) -> None:
    """The list of refs at the head of a push: in one piece and in many it is the same, and so is the answer."""
    pieces = data[0] % 7 + 1 if data else 1
    whole, cut = (_head(part) for part in (iter([data[1:]]), _cut(data[1:], pieces)))
    if whole is None or cut is None:
        assert whole == cut
        return
    assert (whole.updates, whole.capabilities) == (cut.updates, cut.capabilities)
    reasons = {update.ref: why for update in whole.updates if (why := refusal(update))}
    try:
        report(whole, reasons)
    except MalformedPktLineError:
        raise AssertionError("the answer to a push is longer than a line may be") from None
    accepted(whole, data)


def _cut(data: bytes, size: int) -> Iterator[bytes]:
    """Yield pieces."""
    return (data[at : at + size] for at in range(0, len(data), size))


def _head(pieces: Iterator[bytes]) -> PushHead | None:
    """Read a head; None where it is refused, or not whole."""
    reader = HeadReader(most_bytes=_MOST_BYTES)
    try:
        for piece in pieces:
            if (found := reader.feed(piece)) is not None:
                return found
    except PushRefusedError:
        return None
    return None


def pkt_lines(data: bytes) -> None:
    """Lines and side bands: what is read is written the same."""
    try:
        for line in lines(data):
            assert line.data is None or encode(line.data).lower() == line.raw.lower()
        joined_band(data + FLUSH, 1)
    except MalformedPktLineError:
        return


def unzip(data: bytes) -> None:
    """A compressed body: what comes of it is bounded, in bounded pieces."""
    reader, made = Unzip(), 0
    try:
        for piece in _cut(data, 4096):
            for part in reader.feed(piece):
                made += len(part)
                assert len(part) <= 1 << 16
                assert made <= MOST_UNZIPPED_BYTES
        reader.end()
    except BodyError:
        return


def replica_news(data: bytes) -> None:
    """A message on Redis: what is read is written the same."""
    try:
        news = cache_news.read(data)
    except UnreadableError:
        return
    assert cache_news.read(cache_news.written(news)) == news


def cache_members(data: bytes) -> None:
    """Names in use, and values of the shared cache."""
    cache_codec.decode(data, stamp="")
    try:
        cache_news.used(data)
    except UnreadableError:
        return


def search_words(data: bytes) -> None:
    """Words of a search: one repository is named, and it is the caller's."""
    try:
        query = search_text("acme/toy", IssueSearch(text=data.decode("utf-8", "replace")))
    except InvalidArgumentError:
        return
    assert [word for word in query.split('"')[0].split() if word.lstrip("-").casefold().startswith("repo:")] == [
        "repo:acme/toy"
    ]


#: By the name under which `make fuzz` keeps a corpus.
TARGETS: dict[str, Callable[[bytes], None]] = {
    "gateway_cache_members": cache_members,
    "gateway_pkt_lines": pkt_lines,
    "gateway_push_head": push_head,
    "gateway_replica_news": replica_news,
    "gateway_search_words": search_words,
    "gateway_unzip": unzip,
    "gateway_webhook_form": webhook_form,
    "gateway_webhook_json": webhook_json,
}
_PAYLOAD = (
    b'{"action": "created", "issue": {"number": 7, "body": "@miyabi go", "updated_at": "2026-01-01T00:00:00Z", "user": {"login": "a"}},'
    b' "comment": {"body": "> no\\n@miyabi go", "updated_at": "2026-01-01T00:00:00+02:00"}, "label": {"name": "agent-execute"},'
    b' "sender": {"login": "ann", "type": "User"}, "repository": {"full_name": "acme/toy"}, "pull_request": {"number": 1}}'
)
_UPDATE = encode(b"0" * 40 + b" " + b"a" * 40 + b" refs/heads/miyabi/x\0 report-status side-band-64k agent=git/2")
#: What each begins from.
SEEDS: dict[str, tuple[bytes, ...]] = {
    "gateway_cache_members": (
        b"acme/toy i.bl",
        b"acme/toy r.",
        cache_codec.COMPRESS_ABOVE_BYTES.to_bytes(2, "big"),
        b"\x00\x94\xa0\xcb",
    ),
    "gateway_pkt_lines": (_UPDATE + FLUSH, encode(b"\x01" + encode(b"unpack ok\n") + FLUSH) + FLUSH + b"0001"),
    "gateway_push_head": (
        b"\x03" + _UPDATE + FLUSH + b"PACK",
        b"\x00" + encode(b"shallow " + b"b" * 40) + _UPDATE + encode(b"push-cert\0") + FLUSH,
    ),
    "gateway_replica_news": (
        msgspec.msgpack.encode(["o", "acme/toy", 7, ["issue"]]),
        msgspec.msgpack.encode(["o", "acme/toy", 0, []]),
    ),
    "gateway_search_words": (b'crash "on start" label:"good first issue" author:ann', b"x OR y repo:evil/private"),
    "gateway_unzip": (gzip.compress(_UPDATE * 50, mtime=0), gzip.compress(bytes(1 << 20), mtime=0)),
    "gateway_webhook_form": (b"payload=" + _PAYLOAD.replace(b"+", b"%2B").replace(b" ", b"+"), b"payload=%7B%7D"),
    "gateway_webhook_json": (_PAYLOAD, b"{}"),
}
