"""Nothing is cut without a word: every slice with a limit goes through `miyabi_core.text`, or is on a reviewed list."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.cuts import cuts, is_cut

LIST = Path(__file__).with_name("cuts.yaml")
#: What to do about a cut that is not on the list.
ADVICE = (
    "is cut without a word. Cut a text by `shortened`, `ending` or `both_ends` of miyabi_core.text, which leave a mark, and a "
    "list by `first`, `last`, `listed` or `enumerated`, and say the rest where people look. Where nobody would miss what "
    f"is not there, add the function to {LIST.name}, below the reason that fits"
)


def groups() -> list[dict[str, Any]]:
    """Return the reviewed list."""
    return list(yaml.safe_load(LIST.read_text("utf-8")))


def reviewed() -> list[str]:
    """Return the functions on the list."""
    return [name for group in groups() for name in group["cuts"]]


def test_every_cut_is_said() -> None:
    """A new one fails here, and the message says what to do."""
    known = set(reviewed())
    wrong = [f"{name}: {', '.join(found)} {ADVICE}" for name, found in cuts().items() if name not in known]
    assert wrong == []


def test_the_list_holds_nothing_but_cuts() -> None:
    """Each function once, each with a reason, and none that cuts no more."""
    names, there = reviewed(), cuts()
    assert [name for name in names if name not in there] == []
    assert sorted(names) == sorted(set(names))
    assert all(group["said"].startswith("By ") and group["said"].endswith(".") for group in groups())


@pytest.mark.parametrize(
    ("code", "cut"),
    [
        ("text[:300]", True), ("text[:MAX_SIZE]", True), ("text[-300:]", True), ("text[-_TAIL:]", True), ("text[:most]", True),
        ("entries[:limits.MAX_STEPS]", True), ("text[:limit]", True), ("text[: 4 * MAX_REASON]", True), ("islice(text, 5)", True),
        ("shorten(text, 5)", True), ("counter.most_common(5)", True), ("sorted(text)[:max_names]", True), ("text[:page_limit]", True),
        ("text[:2]", False), ("text[:-4]", False), ("text[:end]", False), ("text[3:]", False), ("text[1:9]", False), ("text[0]", False),
        ("sha256(text).hexdigest()[:16]", False), ("uuid4().hex[:8]", False), ("sha[:12]", False), ("text[:-MAX]", False),
    ],
)  # fmt: skip
def test_what_counts_as_a_cut(code: str, cut: bool) -> None:
    """A begin or an end by a number or a limit's name; no digests, no parts that are found by looking."""
    assert is_cut(ast.parse(code, mode="eval").body) == cut
