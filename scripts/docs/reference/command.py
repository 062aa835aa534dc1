"""The page of the command: each word's own help."""

from __future__ import annotations

from miyabi_cli.manual.help import EXITS, command_of
from miyabi_cli.manual.words import SECTIONS, WORDS
from scripts.docs.reference.markdown import table

#: Characters of a line of help: what a code block shows without scrolling.
_WIDTH = 96


def page() -> str:
    """Return the page."""
    parts = [
        "# The command\n\n`miyabi --help` lists the words, `miyabi WORD --help` prints what is here. Names, files of "
        "batches and fields of `--json`: [the command for machines](../command.md).\n\n"
        + table(("exit code", "meaning"), EXITS)
    ]
    for section in SECTIONS:
        words = [word for word in WORDS if word.section == section]
        parts.append(f"## {section}\n")
        parts += [f"### miyabi {word.name}\n\n{word.does}\n\n```text\n{help_of(word.name)}\n```\n" for word in words]
    return "\n".join(parts)


def help_of(name: str) -> str:
    """Return what `miyabi NAME --help` prints."""
    (word,) = [word for word in WORDS if word.name == name]
    command = command_of(word)
    context = command.make_context(
        f"miyabi {name}", [], resilient_parsing=True, terminal_width=_WIDTH, max_content_width=_WIDTH
    )
    return str(command.get_help(context)).strip()
