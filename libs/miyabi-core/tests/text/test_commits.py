"""Titles and commit messages: one line and plain paragraphs that close, mention, sign and skip nothing."""

from __future__ import annotations

import subprocess

import rendered
from hypothesis import given, settings
from rendered import STRANGERS

from miyabi_core.text import MAX_TITLE, Untrusted, commit_message, title


@settings(deadline=None)
@given(STRANGERS)
def test_a_title_is_one_harmless_line(text: str) -> None:
    """At most 256 characters, whatever it was made from."""
    for line in (title("{x}", x=Untrusted(text)).text, title("fix: {x}", x=Untrusted(text * 60)).text):
        assert len(line.encode("utf-16-le")) // 2 <= MAX_TITLE
        assert line.isprintable() or {char for char in line if not char.isprintable()} <= {"\u200b", "\u200d"}
        for pattern in (rendered.CLOSING, rendered.MENTION, rendered.REFERENCE, rendered.SKIP, rendered.EMOJI):
            assert not pattern.search(line)


@settings(deadline=None)
@given(STRANGERS)
def test_a_message_holds_no_trailer_and_closes_nothing(text: str) -> None:
    """Line by line; and the last paragraph is ours."""
    message = commit_message(title("fix: x"), Untrusted(text), last=title("Made for issue {n}.", n=7)).text
    subject, _, rest = message.partition("\n")
    assert (subject, message.rstrip().splitlines()[-1]) == ("fix: x", "Made for issue 7.")
    for pattern in (rendered.CLOSING, rendered.MENTION, rendered.REFERENCE, rendered.SKIP, rendered.TRAILER):
        assert not pattern.search(rest), (pattern, rest)


def test_git_finds_no_trailer() -> None:
    """Git itself, with trailers as the stranger's last words."""
    text = "Done.\n\nCo-authored-by: A <a@b.test>\nSigned-off-by: B <b@c.test>\nCloses: #1\n(cherry picked from commit abc)"
    message = commit_message(
        title("fix: {x}", x=Untrusted("Reviewed-by: C <c@d.test>")), Untrusted(text), last=title("Made for issue 7.")
    )
    for given_text in (message.text, message.text.removesuffix("\n\nMade for issue 7.\n") + "\n"):
        found = subprocess.run(
            ["git", "interpret-trailers", "--parse"], input=given_text, capture_output=True, text=True, check=True
        )
        assert found.stdout == ""


def test_conventional_titles_in_any_script_stay_readable() -> None:
    """Emoji, brackets and Japanese are as they were; what would act is broken by a space that nobody sees."""
    assert title("{x}", x=Untrusted("fix(forms): 日本語 [x] 🎉")).text == "fix(forms): 日本語 [x] 🎉"
    assert (
        title("{x}", x=Untrusted("closes #901, fixes #902 @x")).text.replace("\u200b", "")
        == "closes #901, fixes #902 @x"
    )
    assert title("{x}", x=Untrusted("a" * 300)).text == "a" * 255 + "…"


def test_what_is_left_out_is_said() -> None:
    """A long summary is cut with a number."""
    message = commit_message(title("fix: x"), Untrusted("word " * 4000), last=title("Made for issue 7."))
    assert "characters left out" in message.text


def test_a_megabyte_is_done_at_once() -> None:
    """Linear, and bounded before it is looked at closely."""
    for piece in ("@", "#", "a-", "[", "://", "GH-", ":a", "/issues/", "> ", "deadbeef ", "\n#"):
        text = Untrusted(piece * (1_000_000 // len(piece)))
        assert len(title("{x}", x=text).text) <= MAX_TITLE
        assert len(commit_message(title("x"), text, last=title("y")).text) < 20_000
