"""Shows something again whenever it changed: on a terminal in place, elsewhere one below the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from miyabi_cli.errors import EXIT_OK, EXIT_UNAVAILABLE, CliError
from miyabi_cli.runtime import Runtime, show_error
from miyabi_cli.terminal import ours, say, shown
from miyabi_core.text import Untrusted

#: Seconds between two looks where nothing else is said: what is done in the meantime is done in seconds.
EVERY = 2.0


@dataclass(frozen=True)
class Seen:
    """What one look saw.

    Args:
        lines: For machines.
        show: Prints it for a person.
        over: Nothing will change any more.
        key: Tells whether something changed that is worth showing again; default: the lines.
    """

    lines: tuple[str, ...]
    show: Callable[[], None]
    over: bool = False
    key: object = None

    def differs_from(self, other: Seen) -> bool:
        """Tell whether something changed since another look."""
        return (self.lines if self.key is None else self.key) != (other.lines if other.key is None else other.key)


async def shown_once_or_watched(
    runtime: Runtime, look: Callable[[], Awaitable[Seen]], *, as_json: bool, watch: bool, every: float = EVERY
) -> int:
    """Look once, or again and again until nothing changes any more; returns the exit code.

    A service that goes away while it is watched is said once and asked again; at the first look it is an error.

    Args:
        runtime: Where to.
        look: Asks the services.
        as_json: Print the lines for machines rather than what a person reads.
        watch: Look again.
        every: Seconds between two looks.

    Raises:
        CliError: the first look failed, or a later one was refused.
    """
    seen = await look()
    _print(runtime, seen, as_json=as_json, again=False)
    away = False
    while watch and not seen.over:
        await asyncio.sleep(every)
        try:
            now = await look()
        except CliError as error:
            if error.exit_code != EXIT_UNAVAILABLE:
                raise
            if not away:
                show_error(error, runtime.errors)
            away = True
            continue
        if now.differs_from(seen) or away:
            _print(runtime, now, as_json=as_json, again=True)
        seen, away = now, False
    return EXIT_OK


def _print(runtime: Runtime, seen: Seen, *, as_json: bool, again: bool) -> None:
    """Print what was seen, in the place of what was seen before where the terminal can."""
    if as_json:
        for line in seen.lines:
            runtime.print_line(line)
        return
    if again:
        runtime.output.clear()
        time = datetime.now(UTC).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")
        say(runtime.output, shown(Untrusted(time), style="dim"), ours(" UTC, Ctrl-C ends", style="dim"))
    seen.show()
