"""Runs a command: consoles, settings, one line an error, the right exit code."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from miyabi_cli.caller import Caller, read_caller
from miyabi_cli.calling.problems import ProblemsError
from miyabi_cli.errors import EXIT_INTERRUPTED, EXIT_REFUSED, CliError, SettingsError
from miyabi_cli.given import GIVEN
from miyabi_cli.terminal import Terminal, lines, ours, say
from miyabi_core.text import Untrusted

if TYPE_CHECKING:
    from miyabi_cli.settings import CliSettings

#: Columns of the table where the output is no terminal.
LOG_WIDTH = 200


@dataclass(frozen=True)
class Runtime:
    """What every command gets."""

    environment: Mapping[str, str]
    output: Console
    errors: Console

    @cached_property
    def settings(self) -> CliSettings:
        """All settings, for words that run something on this machine.

        Raises:
            SettingsError: some cannot be used.
        """
        from miyabi_cli.settings import CliSettings  # noqa: PLC0415 - it costs more than all that a call needs

        return CliSettings.read(GIVEN.get())

    @cached_property
    def caller(self) -> Caller:
        """What calls need of the settings.

        Raises:
            SettingsError: some cannot be used.
        """
        return read_caller(self.environment, GIVEN.get())

    def print_line(self, text: str) -> None:
        """Print text for machines as it stands: JSON of `terminal.json_line`, YAML of ours."""
        print(text, flush=True)  # noqa: T201 - it is the command's output


def run(main: Callable[[Runtime], Awaitable[int]]) -> None:
    """Run a command and exit with its code.

    Raises:
        typer.Exit: always.
    """
    errors = Console(stderr=True)
    try:
        environment = dict(os.environ)
        output = Terminal(environment, width=None if sys.stdout.isatty() else LOG_WIDTH)
        runtime = Runtime(environment, output, errors)
        raise typer.Exit(asyncio.run(_awaited(main, runtime)))
    except CliError as error:
        show_error(error, errors)
        raise typer.Exit(error.exit_code) from error
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except BrokenPipeError:
        sys.stderr.close()
        raise typer.Exit(EXIT_REFUSED) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        show_error(CliError(f"{where}{error.strerror or error}"), errors)
        raise typer.Exit(EXIT_REFUSED) from error


async def _awaited(main: Callable[[Runtime], Awaitable[int]], runtime: Runtime) -> int:
    """Give asyncio.run the coroutine that it asks for."""
    return await main(runtime)


def show_error(error: CliError, console: Console) -> None:
    """Print an error, and what may help."""
    if isinstance(error, ProblemsError):
        error.show(console)
        return
    for problem in error.problems if isinstance(error, SettingsError) else (str(error),):
        say(console, ours("error:", style="red"), ours(" "), lines(Untrusted(problem)))
    if error.hint:
        say(console, lines(Untrusted(error.hint)))
