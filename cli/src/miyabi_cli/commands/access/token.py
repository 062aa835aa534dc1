"""`miyabi token`: makes a bearer token."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
import yaml

from miyabi_cli.errors import CliError
from miyabi_cli.runtime import Runtime, run
from miyabi_cli.stack.identities import entry_of, write_secret
from miyabi_core.access.identity import Role
from miyabi_core.access.tokens import new_token


def token(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who it stands for: a person or a service.")],
    role: Annotated[list[str], typer.Option(help="viewer, submitter, operator or agent; may be repeated.")],
    *,
    out: Annotated[Path, typer.Option(help="File for the token; only its owner can read it.")],
) -> None:
    """Make a bearer token: it goes to a file, and its entry for an identities file to the output."""
    try:
        roles = [Role(value) for value in role]
    except ValueError as error:
        raise typer.BadParameter(f"must be one of {', '.join(Role)}", param_hint="--role") from error

    async def main(runtime: Runtime) -> int:
        if out.exists():
            raise CliError(f"{out} exists already")
        secret = new_token()
        write_secret(out, secret)
        runtime.print_line(yaml.safe_dump([entry_of(name, roles, secret)], sort_keys=False).rstrip())
        return 0

    run(main)
