"""Entry point of the `miyabi` command."""

from __future__ import annotations

from rich.console import Console

from miyabi_cli.app import app
from miyabi_cli.errors import CliError
from miyabi_cli.runtime import show_error


def main() -> None:
    """Run the command line; what is refused before a command runs ends with one line too."""
    try:
        app()
    except CliError as error:
        show_error(error, Console(stderr=True))
        raise SystemExit(error.exit_code) from error


if __name__ == "__main__":
    main()
