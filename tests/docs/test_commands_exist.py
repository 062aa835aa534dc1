"""Every command that a page shows exists: words, options and values of `miyabi`, words and variables of `make`."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.exceptions import TyperException

from miyabi_cli.manual.help import command_of
from miyabi_cli.manual.words import WORDS
from tests.docs.extracted import FENCE, PAGES, ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
#: Words of make.
TARGETS = frozenset(re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.MULTILINE))
#: What reads variables that `make` passes on: the Makefile itself, and programs by the environment.
READERS = MAKEFILE + "".join(
    path.read_text(encoding="utf-8")
    for folder in ("scripts", "tests/k8s", "tests/browser")
    for path in (ROOT / folder).rglob("*.py")
)
#: Languages of fences that a person types.
TYPED = {"sh", "bash", "console"}
#: Where a command ends and another program, a file or a remark begins.
END = re.compile(r"\s(?:#|>>?|\||&&|;)(?:\s|$)|\s2>")
#: A command within a sentence.
INLINE = re.compile(r"`(?:\.venv/bin/)?((?:miyabi|make) [^`]+)`")
#: What stands for a word that the reader chooses.
PLACEHOLDERS = {"WORD", "…"}


def fenced(path: Path) -> list[str]:
    """Return the commands of ours that a page's fences show, without what follows them."""
    found = []
    for fence in FENCE.finditer(path.read_text(encoding="utf-8")):
        if fence["info"].split(" ")[0] not in TYPED:
            continue
        for line in re.sub(r"\\\n\s*", "", fence["code"]).split("\n"):
            typed = re.sub(r"^(?:\w+=\S* )+", "", line.strip().removeprefix("$ "))
            typed = typed.removeprefix(".venv/bin/")
            if typed.startswith(("miyabi ", "make ")):
                found.append(END.split(f"{typed} ", maxsplit=1)[0].strip())
    return found


FENCED = sorted({(line, path.relative_to(ROOT).as_posix()) for path in PAGES for line in fenced(path)})
SPOKEN = sorted(
    {
        (line, path.relative_to(ROOT).as_posix())
        for path in PAGES
        for line in INLINE.findall(path.read_text(encoding="utf-8"))
    }
)


def parse(line: str) -> None:
    """Have the real command, or the Makefile, take a line; nothing of it is run.

    Raises:
        AssertionError: a word, an option or a variable is not there.
        TyperException: the command refuses a value, or lacks one.
    """
    program, *arguments = shlex.split(line)
    if program == "make":
        check_make(arguments)
        return
    assert arguments, line
    word = word_of(arguments[0])
    assert command_of(word).make_context(word.name, arguments[1:]).args == []


def check_make(arguments: list[str]) -> None:
    """Look for each word and variable of a line of make."""
    for argument in arguments:
        name, is_variable, _ = argument.partition("=")
        if is_variable:
            assert re.search(rf"\b{name}\b", READERS), f"nothing reads {name}"
        else:
            assert name in TARGETS, f"make {name}"


def word_of(name: str):
    """Return a word of the command."""
    found = [word for word in WORDS if word.name == name]
    assert found, f"miyabi {name}"
    return found[0]


def test_there_are_commands_to_look_at() -> None:
    """The pages that people begin with show some, so that a change of their form does not end the checks."""
    assert {page for _, page in FENCED} >= {"README.md", "docs/try.md", "docs/use.md", "docs/operate.md"}
    assert len(FENCED) > 40
    assert len(SPOKEN) > 20


@pytest.mark.parametrize(("line", "page"), FENCED, ids=[f"{page}: {line}" for line, page in FENCED])
def test_a_command_that_is_shown_is_taken(line, page) -> None:
    """As it stands: its word is there, and so are its options; its values are those that the word takes."""
    parse(line)


@pytest.mark.parametrize(("line", "page"), SPOKEN, ids=[f"{page}: {line}" for line, page in SPOKEN])
def test_a_command_in_a_sentence_exists(line, page) -> None:
    """It may be shortened; its word and each option that it names are there all the same."""
    program, first, *rest = line.replace("`", "").split()
    if program == "make":
        check_make([part for part in (first, *rest) if "…" not in part and "[" not in part])
        return
    if first.startswith("-") or first in PLACEHOLDERS:
        return
    options = {option for param in command_of(word_of(first)).params for option in param.opts} | {"--help", "-h"}
    assert [part for part in rest if part.startswith("--") and part.partition("=")[0].rstrip(",") not in options] == []


@pytest.mark.parametrize(
    "line",
    ["miyabi submti acme/shop", "miyabi submit acme/shop --isues 3", "miyabi watch", "make dmeo", "make demo EXITT=1"],
)
def test_a_command_that_does_not_exist_is_found(line) -> None:
    """Words, options, arguments and variables that are not there: the check cannot pass for nothing."""
    with pytest.raises((AssertionError, TyperException)):
        parse(line)
