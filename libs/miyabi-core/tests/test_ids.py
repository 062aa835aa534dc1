"""ULIDs and when they were made."""

from __future__ import annotations

import pytest

from miyabi_core.ids import is_ulid, made_at, new_ulid


def test_a_ulid_tells_when_it_was_made() -> None:
    """The example of the specification is of 2016, and a new one is later."""
    old = made_at("01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert round(old, 3) == 1469922850.259
    assert made_at(new_ulid()) > old


@pytest.mark.parametrize("text", ["", "01ARZ3", "01ARZ3NDEKTSV4RRFFQ69G5FA!"])
def test_what_is_no_ulid_has_no_time(text: str) -> None:
    """It is refused rather than read as some moment."""
    assert not is_ulid(text)
    with pytest.raises(ValueError, match=r".+"):
        made_at(text)
