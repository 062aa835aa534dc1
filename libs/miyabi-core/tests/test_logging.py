"""Logs hold no secrets."""

from __future__ import annotations

import json
import logging
import re
import secrets
from collections.abc import Iterator

import pytest
import structlog

from miyabi_core.ids import is_ulid, new_ulid
from miyabi_core.logging import configure_logging, get_logger


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Give the process its logging back: the configuration under test writes to this test's captured stream."""
    handlers, level = logging.root.handlers, logging.root.level
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.root.handlers, logging.root.level = handlers, level


def test_secrets_are_redacted(capsys: pytest.CaptureFixture[str]) -> None:
    """Values of secret keys, and credentials inside other texts, are not written."""
    token = "ghp_" + secrets.token_hex(18)
    configure_logging(service="test", json=True)
    get_logger("t").info("call.failed", token=token, detail=f"GET https://user:{token}@github.com with {token}")
    line = capsys.readouterr().err
    assert token not in line
    assert {"service": "test", "event": "call.failed", "token": "[redacted]"}.items() <= json.loads(line).items()


def test_library_logs_are_redacted_too(capsys: pytest.CaptureFixture[str]) -> None:
    """What libraries log goes through the same processors."""
    token = "ghp_" + secrets.token_hex(18)
    configure_logging(service="test", json=True)
    logging.getLogger("library").warning("sent %s", token)
    line = capsys.readouterr().err
    assert token not in line
    assert "[redacted]" in json.loads(line)["event"]


@pytest.mark.parametrize("as_json", [True, False])
def test_a_strangers_text_stays_in_its_line(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    """Line ends, escapes and directions are spelled out in values, events and messages of errors, for both readers."""
    configure_logging(service="test", json=as_json)
    evil = "a\x1b[2Jb\r\n2026 [info] forged\u202e\x9bc"
    get_logger("t").error("call.failed", detail=evil, exc_info=ValueError(evil))
    logging.getLogger("library").warning("saw %s", evil)
    written = capsys.readouterr().err
    without_colours = re.sub(r"\x1b\[[0-9;]*m", "", written)
    assert not any(char in without_colours for char in "\x1b\x9b\u202e\r")
    assert not any(line.startswith("2026 [info] forged") for line in written.splitlines())
    assert "\\x1b[2Jb" in without_colours.replace("\\\\", "\\")


def test_ulids_sort_by_time_and_are_recognised() -> None:
    """A ULID is recognised; what only looks like one is not."""
    assert is_ulid(new_ulid())
    assert not is_ulid("8" + "0" * 25)
    assert not is_ulid(new_ulid().lower())
