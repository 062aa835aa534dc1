"""JSON that is taken, and what is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miyabi_core.edge import InvalidJsonError, strict_json


@pytest.mark.parametrize("text", ["null", "1", '{"a": [1, 2.5, "é\\u0000", "\\ud83d\\ude00"]}', "[" * 32 + "]" * 32])
def test_json_is_taken(text: str) -> None:
    """What every reader understands is taken as it is."""
    assert json.loads(text) == strict_json.loads(text.encode())


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"\xff", b"NaN", b"[Infinity]", b"-Infinity", b"1e999", b'{"a": -1e999}', b'"\\ud800"', b'{"\\udfff": 1}',
        b"[" * 33 + b"]" * 33, b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 5000 + b"1" + b"}" * 5000, b"9" * 5000,
        b"\xef\xbb\xbf{}", b"\xed\xa0\x80", b"{'a': 1}", b"[1] x",
    ],
)  # fmt: skip
def test_what_is_no_json_ends_in_one_error(data: bytes) -> None:
    """Depth, digits, infinities and halves of characters are refused as bad syntax is."""
    with pytest.raises(InvalidJsonError):
        strict_json.loads(data)


@given(st.binary() | st.text(alphabet='{}[]",:0e9-\\udNaIf ').map(str.encode))
def test_reading_ends_in_one_error(data: bytes) -> None:
    """What is taken can be written again, and is the same then."""
    try:
        value = strict_json.loads(data)
    except InvalidJsonError:
        return
    assert strict_json.loads(strict_json.dumps(value).encode()) == value
