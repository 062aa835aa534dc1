"""The command line: what stands before the word, and the group of words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from miyabi_cli.given import GIVEN
from miyabi_cli.manual.help import WordGroup
from miyabi_core import __version__

app = typer.Typer(
    name="miyabi",
    cls=WordGroup,
    help="Takes GitHub issues to tested, reviewed draft pull requests.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
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
    token_file: Annotated[
        Path | None, typer.Option(help="File with your bearer token; default: MIYABI_TOKEN_FILE, MIYABI_TOKEN.")
    ] = None,
    tls_ca: Annotated[
        str | None, typer.Option(help="PEM of who signs the coordinator's certificate, or system: MIYABI_TLS_CA_FILE.")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take what comes before the command."""
    del version
    given = {"identity_token_file": token_file, "tls_ca_file": tls_ca}
    GIVEN.set({name: value for name, value in given.items() if value is not None})
