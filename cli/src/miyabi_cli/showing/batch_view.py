"""Shows batches: a line for one, a table for several."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from miyabi.coordinator.v1.batch_pb2 import Batch
from miyabi.coordinator.v1.state_pb2 import BatchState
from miyabi_cli.calling.wire import json_of
from miyabi_cli.runtime import Runtime
from miyabi_cli.showing.results import USD_MICROS
from miyabi_cli.terminal import TerminalText, ours, row, say, say_table, shown
from miyabi_core.text import Untrusted

#: Columns of the table of batches, with how their cells stand.
_COLUMNS = (
    ("batch", "left"), ("repository", "left"), ("state", "left"), ("issues", "right"), ("done", "right"),
    ("failed", "right"), ("cost", "right"), ("created (UTC)", "left"),
)  # fmt: skip
#: Columns that the table needs; with fewer each batch has two lines, so that no name is broken.
TABLE_COLUMNS = 120


def state_of(batch: Batch) -> str:
    """Return a batch's state as a lower-case word."""
    return BatchState.Name(batch.state).removeprefix("BATCH_STATE_").lower()


def batch_words(batch: Batch) -> str:
    """Return what a batch is in a few words: repository, state, how many issues ended."""
    counters = batch.counters
    ended = counters.succeeded + counters.failed + counters.skipped + counters.cancelled
    return f"{batch.spec.repository} {state_of(batch)} {ended}/{counters.total}"


def show_batches(console: Console, batches: Sequence[Batch]) -> None:
    """Print batches; a name is never broken over two lines."""
    if not batches:
        say(console, ours("no batch; `miyabi submit OWNER/REPO --issues 60,61` makes one"))
        return
    if console.width < TABLE_COLUMNS:
        for batch in batches:
            say(console, shown(Untrusted(batch.name), style="bold"))
            say(console, ours("  "), shown(Untrusted(batch_words(batch) + _simulated(batch))), ours(", "), _cost(batch))
        return
    table = Table(header_style="bold")
    for name, justify in _COLUMNS:
        table.add_column(name, overflow="fold", justify=justify, no_wrap=name == "batch")  # type: ignore[arg-type]
    for batch in batches:
        counters = batch.counters
        row(
            table,
            shown(Untrusted(batch.name)),
            shown(Untrusted(batch.spec.repository)),
            shown(Untrusted(state_of(batch) + _simulated(batch))),
            ours("{}", counters.total),
            ours("{}", counters.succeeded),
            ours("{}", counters.failed + counters.skipped),
            _cost(batch),
            shown(Untrusted(batch.create_time.ToDatetime().isoformat(sep=" ", timespec="seconds"))),
        )
    say_table(console, table)


def show_changed(runtime: Runtime, batch: Batch, *, as_json: bool, then: str = "") -> None:
    """Print a batch after a call that changed it, and what goes with it.

    Args:
        runtime: Where to.
        batch: As the coordinator has it now.
        as_json: For machines.
        then: Word that undoes or follows it, for example `resume`; empty: none.
    """
    if as_json:
        runtime.print_line(json_of(batch))
        return
    say(runtime.output, shown(Untrusted(batch.name)), ours(" "), shown(Untrusted(batch_words(batch))))
    if then:
        say(runtime.output, ours("  next: "), shown(Untrusted(f"miyabi {then} {batch.name}")))


def _simulated(batch: Batch) -> str:
    """Return the mark of what was not real."""
    return " (simulated)" if batch.simulated else ""


def _cost(batch: Batch) -> TerminalText:
    """Return what a batch spent."""
    return ours("${:.4f}", batch.spent.cost_usd_micros / USD_MICROS)
