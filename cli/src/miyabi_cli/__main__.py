"""Entry point of the `miyabi` command; imports what the word on the command line needs, and no more."""

from __future__ import annotations

import sys

from miyabi_cli.app import app
from miyabi_cli.errors import EXIT_INTERRUPTED, CliError


def main() -> None:
    """Run the command line; what is refused before a command runs ends with one line too."""
    try:
        app(prog_name="miyabi")
    except CliError as error:
        _show(error)
        raise SystemExit(error.exit_code) from error
    except KeyboardInterrupt:
        # Ctrl-C while a command's modules are read.
        sys.exit(EXIT_INTERRUPTED)


def _show(error: CliError) -> None:
    """Print an error as commands do; only then is the terminal's library needed."""
    from rich.console import Console  # noqa: PLC0415 - it costs a tenth of a second, and errors are rare

    from miyabi_cli.runtime import show_error  # noqa: PLC0415 - it imports all that commands need

    show_error(error, Console(stderr=True))


if __name__ == "__main__":
    main()
