"""Lists words without importing them, and writes a word's help as a manual page has it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from miyabi_cli.manual.values import read_plainly
from miyabi_cli.manual.word import Word
from miyabi_cli.manual.words import SECTIONS, WORDS

#: Sentences on how every word ends; the README has the same.
EXITS = (
    ("0", "it is done; of a batch that was followed: every issue succeeded"),
    ("1", "an issue did not succeed, or what was looked at is not in order"),
    ("2", "refused: an argument, here or by the service"),
    ("3", "a service is out of reach or could not be started"),
    ("130", "ended by Ctrl-C"),
)
#: How each of our commands takes its settings.
_SETTINGS = {"help_option_names": ["-h", "--help"]}


class ManualCommand(TyperCommand):
    """A command whose help ends with examples, what its JSON is, and how it ends."""

    word: Word

    def get_params(self, ctx: Any) -> Any:
        """Return the parameters; values that are plainly right cost no library."""
        return read_plainly(super().get_params(ctx))

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write what follows the options."""
        del ctx
        with formatter.section("Examples"):
            for example in self.word.examples:
                formatter.write_text(f"{example.does}:")
                formatter.indent()
                # A line that is typed is never broken.
                formatter.write(f"{'':>{formatter.current_indent}}{example.line}\n")
                formatter.dedent()
        if self.word.json:
            with formatter.section("Output with --json"):
                formatter.write_text(f"Lines of JSON: {self.word.json}. Fields: docs/command.md.")
        with formatter.section("Exit codes"):
            formatter.write_dl(EXITS)
        if self.word.see:
            with formatter.section("See also"):
                formatter.write_text(", ".join(f"miyabi {name} --help" for name in self.word.see))


class _Unread(TyperCommand):
    """Stands for a word whose module has not been imported; it is when the word is used."""

    def __init__(self, word: Word) -> None:
        super().__init__(word.name, help=word.does, short_help=word.does, rich_markup_mode=None)
        self._word = word

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Take the word's arguments; the context is that of the command itself."""
        return command_of(self._word).make_context(info_name, args, parent=parent, **extra)


def command_of(word: Word) -> ManualCommand:
    """Import a word and return its command."""
    module, _, name = word.where.partition(":")
    app = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings=_SETTINGS)
    app.command(name=word.name, cls=ManualCommand)(getattr(import_module(f"miyabi_cli.commands.{module}"), name))
    command = get_command(app)
    assert isinstance(command, ManualCommand)
    command.word = word
    return command


class WordGroup(TyperGroup):
    """Knows the words by the catalogue."""

    def get_params(self, ctx: Any) -> Any:
        """Return the parameters; values that are plainly right cost no library."""
        return read_plainly(super().get_params(ctx))

    def list_commands(self, ctx: Any) -> list[str]:
        """Return every word."""
        del ctx
        return [word.name for word in WORDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return what stands for a word; None where there is none of that name."""
        del ctx
        word = next((word for word in WORDS if word.name == cmd_name), None)
        return None if word is None else _Unread(word)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the words below their headings, each with its sentence, whole."""
        del ctx
        widest = max(len(word.name) for word in WORDS)
        for section in SECTIONS:
            with formatter.section(section):
                formatter.write_dl([(f"{word.name:<{widest}}", word.does) for word in WORDS if word.section == section])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write where to go on."""
        del ctx
        formatter.write_paragraph()
        formatter.write_text("`miyabi WORD --help` has options and examples of each word.")
