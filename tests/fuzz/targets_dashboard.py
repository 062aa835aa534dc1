"""Fuzz targets of the dashboard's parsers: events from outside, positions, cursors, forms."""

from __future__ import annotations

from collections.abc import Callable

from miyabi_core.edge import InvalidJsonError, strict_json
from miyabi_core.errors import InvalidArgumentError
from miyabi_dashboard.door.door import _token_of
from miyabi_dashboard.intake.events import OWN_NAMES, InvalidEventError, check
from miyabi_dashboard.intake.receive import _parsed
from miyabi_dashboard.intake.store import stored_event
from miyabi_dashboard.live.subscription import said_in
from miyabi_dashboard.merging import Cursors
from miyabi_dashboard.serving.incoming import cursor_of, sequence_of


def intake(data: bytes) -> None:
    """An event: what is taken can be written, and has no name of ours."""
    try:
        event = check(strict_json.loads(data))
    except (InvalidJsonError, InvalidEventError) as error:
        if isinstance(error, InvalidEventError):
            strict_json.dumps(error.problems).encode()
        return
    assert not OWN_NAMES & event.keys()
    strict_json.dumps(event).encode()


def stored(data: bytes) -> None:
    """An event as it stands in the store."""
    try:
        stored_event({b"event": data})
    except InvalidJsonError:
        return


def position(data: bytes) -> None:
    """`after=`, for the WebSocket and for stored events."""
    text = data.decode("utf-8", "surrogateescape")
    for read in (sequence_of, cursor_of):
        try:
            found = read(text)
        except InvalidEventError as error:
            strict_json.dumps(error.problems).encode()
        else:
            assert text.isascii()
            assert found == "" or 0 <= int(str(found).partition("-")[0]) < 10**20


def cursor(data: bytes) -> None:
    """A cursor of the gRPC interface."""
    try:
        Cursors.unpack(data.decode("utf-8", "replace"))
    except InvalidArgumentError:
        return


def lines(data: bytes) -> None:
    """Events a line each."""
    try:
        _parsed(data)
    except InvalidEventError as error:
        strict_json.dumps(error.problems).encode()


def subscription(data: bytes) -> None:
    """What a client of the WebSocket says that it wants."""
    try:
        said_in(data.decode("utf-8", "replace"))
    except InvalidEventError as error:
        strict_json.dumps(error.problems).encode()


def form(data: bytes) -> None:
    """The form with which a person logs in."""
    _token_of(data).encode("utf-8", "replace")


#: By the name under which `make fuzz` keeps a corpus.
TARGETS: dict[str, Callable[[bytes], None]] = {
    "dashboard_cursor": cursor,
    "dashboard_form": form,
    "dashboard_intake": intake,
    "dashboard_lines": lines,
    "dashboard_position": position,
    "dashboard_stored": stored,
    "dashboard_subscription": subscription,
}
#: What each begins from.
SEEDS: dict[str, tuple[bytes, ...]] = {
    "dashboard_cursor": (b"eyJjb29yZGluYXRvciI6ICJ4In0=", b"e30=", b"W10="),
    "dashboard_form": (b"token=mybt_x&other=%20",),
    "dashboard_intake": (
        b'{"eventType": "progress", "agentId": "a", "issueNumber": 7, "progress": 40, "message": "x", "substeps": [1]}',
        b'{"eventType": "completed", "agentId": "a", "issueNumber": 7, "result": {"success": true, "durationMs": 1}}',
        b'{"eventType": "error", "agentId": "a", "issueNumber": 7, "timestamp": "2026-01-01T00:00:00Z", "error": {}}',
        b'{"eventType": "error", "agentId": "a", "issueNumber": 7, "repository": "a/b", "error": %s}'
        % b'{"code": "x", "message": "y", "severity": "error", "recoverable": false}',
    ),
    "dashboard_lines": (b'{"a": 1}\n[2]\r\n\n"x"', b"{\n"),
    "dashboard_subscription": (
        b'{"type": "subscribe", "batch": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "repository": "a/b"}',
        b'{"type": "texts", "batch": "batches/01ARZ3NDEKTSV4RRFFQ69G5FAV"}',
    ),
    "dashboard_position": (b"1700000000000-12", b"42", b""),
    "dashboard_stored": (b'{"eventType": "started", "agentId": "a", "issueNumber": 7, "id": "x"}',),
}
