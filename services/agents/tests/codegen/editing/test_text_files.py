"""Whatever a file holds and whatever part of it is replaced: its text is as asked for, and all else keeps its bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from miyabi_agents.agents.editing.text.encodings import Encoding
from miyabi_agents.agents.editing.text.textfile import opened
from miyabi_core.text import split_lines

#: Codecs, each with the letters that a file may hold in it.
CODECS = {
    "utf-8": "ab\fé\u2028値😀",
    "utf-16-le": "ab\x0bé値😀",
    "iso8859-1": "abé\x85ÿ",
    "cp932": "ab値ｱ\\",
    "euc_jp": "ab値",
    "iso2022_jp": "ab値",
    "gb18030": "ab值é",
}
ENDS = ["\n", "\r\n", "\r"]


@st.composite
def files(draw):
    """Return a codec, the lines of a file with their ends, two positions and a new text."""
    codec = draw(st.sampled_from(sorted(CODECS)))
    line = st.text(CODECS[codec], max_size=4)
    kinds = draw(st.lists(st.sampled_from(ENDS), min_size=1, max_size=3))
    lines = draw(st.lists(st.tuples(line, st.sampled_from(kinds)), max_size=8))
    last = draw(line)
    text = "".join(text + end for text, end in lines) + last
    new = draw(st.text(CODECS[codec] + "\n\n", max_size=8))
    return codec, text, draw(st.integers(0, 40)), draw(st.integers(0, 12)), new


@given(files())
def test_a_replaced_part_changes_nothing_else(case) -> None:
    """The text is what it should be, each line outside the part is byte for byte what it was, and no new end arises."""
    codec, text, start, length, new = case
    file = opened("a", text.encode(codec), Encoding(codec))
    start = min(start, len(file.text))
    stop = min(start + length, len(file.text))
    after = file.replaced(start, stop, new)

    assert file.content == text.encode(codec)
    assert after.text == file.text[:start] + new + file.text[stop:]
    assert after.content.decode(codec) == "".join(line.text + line.end for line in after.lines)
    before = file.text[:start].count("\n")
    behind = len(split_lines(file.text[stop:].partition("\n")[2]))
    assert after.lines[:before] == file.lines[:before]
    assert after.lines[len(after.lines) - behind :] == file.lines[len(file.lines) - behind :]
    assert set(after.ends) <= (set(file.ends) or {"\n"})


@given(st.text(st.sampled_from("ab\r\n\f\x85\u2028"), max_size=30))
def test_lines_are_counted_as_everywhere(text: str) -> None:
    """The file's lines are those of the one function, and a line of the shown text is the line of that number."""
    file = opened("a", text.encode(), Encoding("utf-8"))
    assert [line.text for line in file.lines] == split_lines(text)
    assert split_lines(file.text) == split_lines(text)
    for number in range(1, len(file.lines) + 1):
        assert file.line_of(file.start_of(number)) == number
