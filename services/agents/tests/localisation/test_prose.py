"""Telling prose from code in an issue."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from miyabi_agents.localisation import CodeIndex
from miyabi_agents.localisation.ranking.prose import prose_in
from miyabi_agents.localisation.ranking.signals import WEIGHTS


@pytest.mark.parametrize(
    ("text", "prose"),
    [
        ("it fails\n```python\ncode()\n```\nalways", "it fails always"),
        ("it fails\n~~~\ncode()\n~~~\nalways", "it fails always"),
        ("it fails\n```\ncode()\nwithout an end", "it fails"),
        ("```foo``` fails\nalways\n```bar``` too", "```foo``` fails always ```bar``` too"),
        ("it fails\n\n    code()\n\tmore()\nalways", "it fails always"),
        ("it fails\n>>> code()\n... more()\nIn [1]: code()\nOut[1]: 2\n$ run\nalways", "it fails always"),
        ("<!-- Thanks for\nreporting! -->it fails<!-- never ended", "it fails"),
        ("- a list\n  - of `names`", "- a list - of `names`"),
        ("", ""),
    ],
)
def test_code_output_and_hidden_comments_are_no_prose(text: str, prose: str) -> None:
    """Fenced, indented and prompted lines are left out, as are comments of forms; names within a line stay."""
    assert prose == " ".join(prose_in(text).split())


@pytest.mark.parametrize("piece", ["<!--", "```", "```\n", "~~~", "\n", " ", "\n    ", "\t\n", "$ ", ">>>"])
def test_hostile_text_takes_linear_time(piece: str) -> None:
    """As much as an issue may have of any mark takes less than a second of CPU."""
    began = time.process_time()
    prose_in(piece * (65_536 // len(piece)))
    assert time.process_time() - began < 1


def test_what_is_said_counts_beside_what_the_reporter_typed() -> None:
    """A script of the reporter's own leads less far than the sentence that says what is wrong."""
    files = {
        "pkg/frame.py": "def load(path, sheet): pass\ndef store(path, columns): pass\n",
        "pkg/legend.py": "def place(legend, overlap): pass\ndef order(entries, overlap): pass\n",
    }
    index = CodeIndex.build(files, lambda path: files[path].encode())
    text = "Wrong\nThe legend has entries that overlap.\n```\nload(path, sheet)\nstore(path, columns)\n```\n"
    typed_alone = replace(WEIGHTS, prose_parts=0.0)
    first = [index.rank(text, weights=weights)[0].path for weights in (typed_alone, WEIGHTS)]
    assert first == ["pkg/frame.py", "pkg/legend.py"]
