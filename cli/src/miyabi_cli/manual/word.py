"""A word of the command line as its manual has it; nothing here imports what a word does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    """One line that a person can type.

    Args:
        line: As typed, with the program's name.
        does: What it does, in a few words.
    """

    line: str
    does: str


@dataclass(frozen=True)
class Word:
    """One word of the command line.

    Args:
        name: As typed.
        where: `module:function` of it, below `miyabi_cli.commands`.
        does: One sentence for the list of words.
        section: Heading that it stands under in that list.
        examples: At least one.
        json: What each line of `--json` is: a full name of a proto message, a name of `docs/command.md`'s, or both
            with a comma between them; empty: the word has no `--json`.
        see: Words that go with it.
    """

    name: str
    where: str
    does: str
    section: str
    examples: tuple[Example, ...]
    json: str = ""
    see: tuple[str, ...] = ()
