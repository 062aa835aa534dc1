"""Durations are read as people write them, and nothing else is taken for one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miyabi_core.configuration.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("20s", 20), ("20 s", 20), (" 20  sec ", 20), ("1 second", 1), ("15 min", 900), ("15m", 900), ("2 hrs", 7200),
        ("1h30m", 5400), ("1 hour, 30 minutes", 5400), ("1h 30m 5s", 5405), ("30 days", 2592000), ("1 day", 86400),
        ("2w", 1209600), ("1.5 h", 5400), ("250 ms", 0.25), ("0s", 0), ("20", 20), ("2.5", 2.5), ("-5", -5),
    ],
)  # fmt: skip
def test_words_are_a_duration(text, seconds):
    """Numbers with units, from long to short, are their sum; a bare one counts seconds."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    ["", " ", "s", "PT20S", "1e3", "nan", "inf", "20 x", "20 S", "1M", "30m1h", "1h1h", "-5 s", "1 h - 5 m", "1:30", "20s!", "1e3 s", "½ h", "٢٠ s", ","],
)  # fmt: skip
def test_what_is_no_sum_of_units_is_left_to_pydantic(text):
    """ISO 8601 is read elsewhere; what is none of it is refused there."""
    assert parse_duration(text) is None


def test_duration_that_no_timedelta_holds_is_refused():
    """Twelve digits of weeks are longer than any timedelta."""
    with pytest.raises(ValueError, match="longer than"):
        parse_duration("999999999999 weeks")


@given(st.text(alphabet="0123456789 .,smhdwPTin+", max_size=30))
def test_any_text_is_a_duration_or_none(text):
    """No text ends otherwise, and none is a negative duration."""
    found = parse_duration(text)
    assert found is None or found >= timedelta(0)
