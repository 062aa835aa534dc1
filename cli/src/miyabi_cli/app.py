"""The command line: which words there are."""

from __future__ import annotations

from typing import Annotated

import typer

from miyabi_cli.commands import batches, doctor, stack
from miyabi_core import __version__

app = typer.Typer(
    name="miyabi",
    help="Takes GitHub issues to tested, reviewed draft pull requests.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        typer.echo(f"miyabi {__version__}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take what comes before the command."""
    del version


for command in (
    stack.up, stack.demo, batches.submit, batches.watch, batches.batches, batches.cancel, batches.label, doctor.doctor,
):  # fmt: skip
    app.command()(command)
