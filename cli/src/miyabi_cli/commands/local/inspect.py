"""`miyabi inspect`: shows how a repository's tests would be run, and runs them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer

from miyabi_agents.inspection import Inspection
from miyabi_agents.verification.config import FILE_NAME
from miyabi_cli.errors import EXIT_ISSUE_FAILED, EXIT_OK, CliError
from miyabi_cli.runtime import Runtime, run
from miyabi_cli.terminal import json_line, ours, say, shown
from miyabi_cli.trial.checkout import find
from miyabi_cli.trial.inspection_view import as_json as line_of
from miyabi_cli.trial.inspection_view import show_inspection
from miyabi_cli.trial.looking import look
from miyabi_cli.trial.place import Place
from miyabi_cli.trial.remote import ON_GITHUB, from_github
from miyabi_cli.trial.repository_file import render
from miyabi_core.logging import configure_logging
from miyabi_core.text import Untrusted


def inspect(
    repository: Annotated[
        str, typer.Argument(metavar="OWNER/REPO | PATH", help="Repository on GitHub, or a checkout on this machine.")
    ] = ".",
    *,
    project: Annotated[str, typer.Option(help="Only the project in this folder of the repository.")] = "",
    no_build: Annotated[bool, typer.Option("--no-build", help="Only recognise: build nothing, run nothing.")] = False,
    write: Annotated[bool, typer.Option("--write", help=f"Write a {FILE_NAME} into the checkout.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over one that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a project, for machines.")] = False,
) -> None:
    """Show what is recognised of a repository, build its test environment in the sandbox, and run base's tests.

    Ends with 0 where base's tests can be run, 1 where not, 2 for bad arguments.
    """

    async def main(runtime: Runtime) -> int:
        configure_logging(service="miyabi", level="ERROR")
        async with _place(runtime, repository) as place:
            target = _target(place, write=write, force=force)
            found = await look(runtime, place, root=project, build=not no_build)
        _show(runtime, place, found, as_json=as_json)
        if target is not None:
            target.write_text(render(found), encoding="utf-8")
            say(runtime.errors, ours("written: "), shown(Untrusted(str(target))))
        return EXIT_ISSUE_FAILED if found.refusals else EXIT_OK

    run(main)


@asynccontextmanager
async def _place(runtime: Runtime, repository: str) -> AsyncIterator[Place]:
    """Find where a repository is, for a block.

    Raises:
        CliError: it is neither a checkout nor a repository of GitHub that can be read.
    """
    path = Path(repository)
    if await asyncio.to_thread(path.exists) or ON_GITHUB.fullmatch(repository) is None:
        checkout = await find(path)
        yield Place(checkout.repository, checkout.sha, checkout=checkout)
        return
    async with from_github(runtime, repository) as place:
        yield place


def _target(place: Place, *, write: bool, force: bool) -> Path | None:
    """Return the file to write; None: none.

    Raises:
        CliError: there is no checkout to write into, or the file is there.
    """
    if not write:
        return None
    if place.checkout is None or place.checkout.bare:
        raise CliError("--write writes into a checkout, and this is none")
    target = place.checkout.path / FILE_NAME
    if (target.exists() or target.is_symlink()) and not force:
        raise CliError(f"{target} is there already; --force writes over it")
    if target.is_symlink():
        raise CliError(f"{target} is a link, which is not written through")
    return target


def _show(runtime: Runtime, place: Place, found: Inspection, *, as_json: bool) -> None:
    """Print what was seen."""
    if not as_json:
        uncommitted = len(place.checkout.uncommitted) if place.checkout else 0
        show_inspection(runtime.output, found, uncommitted=uncommitted)
        return
    for entry in found.looks or (None,):
        runtime.print_line(json_line(line_of(found, entry)))
