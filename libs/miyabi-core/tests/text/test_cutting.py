"""A cut says that it is one, and how much is not there: whatever the text, whatever the limit."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miyabi_core.text import both_ends, ending, enumerated, first, last, listed, shortened

WAYS = [shortened, ending, both_ends]
TEXTS = st.text(max_size=400)


@pytest.mark.parametrize("cut", WAYS)
@settings(deadline=None)
@given(text=TEXTS, most=st.integers(1, 300))
def test_a_text_fits_and_a_cut_is_marked(cut: Callable[[str, int], str], text: str, most: int) -> None:
    """What fits is whole; what does not is as long as it may be at most, with a mark."""
    shown = cut(text, most)
    assert (shown == text) == (len(text) <= most)
    assert len(shown) <= most or shown == text
    assert shown == text or "…" in shown


@pytest.mark.parametrize("cut", WAYS)
@settings(deadline=None)
@given(length=st.integers(301, 100_000), most=st.integers(80, 300))
def test_what_is_left_out_is_counted(cut: Callable[[str, int], str], length: int, most: int) -> None:
    """The number in the mark and the characters that are shown are all that there were."""
    shown = cut("x" * length, most)
    (number,) = re.findall(r"\(… ([\d,]+) characters left out\)", shown)
    assert int(number.replace(",", "")) + shown.replace(" characters left out", "").count("x") == length


def test_begin_end_or_both_are_kept() -> None:
    """Each way keeps what its name says."""
    text = "a" * 500 + "z" * 500
    assert [shortened(text, 100)[0], ending(text, 100)[-1]] == ["a", "z"]
    assert [both_ends(text, 100)[0], both_ends(text, 100)[-1]] == ["a", "z"]
    assert [shortened("abcdef", 3), ending("abcdef", 3)] == ["ab…", "…ef"]


@settings(deadline=None)
@given(st.lists(st.integers(), max_size=20), st.integers(0, 20))
def test_the_rest_of_a_list_is_counted(items: list[int], most: int) -> None:
    """What is shown and what is not are the list."""
    for cut in (first, last):
        shown, rest = cut(items, most)
        assert (len(shown) + rest, len(shown) <= most) == (len(items), True)
    assert [*first(items, most)[0]] == items[:most]
    assert [*last(items, most)[0]] == items[max(0, len(items) - most) :]


@settings(deadline=None)
@given(st.lists(st.text(max_size=90), max_size=12), st.integers(1, 8))
def test_sentences_stay_within_a_messages_limits(sentences: list[str], most: int) -> None:
    """As many as it takes, as long as it takes; the last says how many there are besides."""
    kept = listed(sentences, most, longest=60)
    assert (len(kept) <= most, max(map(len, kept), default=0) <= 60) == (True, True)
    if len(sentences) > most:
        assert kept[-1] == f"… {len(sentences) - most + 1} more left out"
    else:
        assert len(kept) == len(sentences)


def test_names_in_a_row() -> None:
    """Those beyond the limit are a number."""
    assert [enumerated(["a", "b", "c"], most) for most in (3, 2)] == ["a, b, c", "a, b and 1 more"]
