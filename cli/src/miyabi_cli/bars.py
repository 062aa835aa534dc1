"""Columns of a batch's bars; imported only where a batch is followed on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.progress import ProgressColumn, Task
from rich.table import Column
from rich.text import Text

from miyabi_cli.terminal import ASCII_CELLS, BAR_CELLS, CELLS, WIDE


class NumberColumn(ProgressColumn):
    """An issue's number, from the field `number`."""

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True))

    def render(self, task: Task) -> Text:
        """Return the number."""
        return Text(f"#{task.fields['number']}", style="bold")


class StepsColumn(ProgressColumn):
    """A bar whose cells are told apart by their form, not by colour alone, and nothing is as full as everything.

    Args:
        console: Where to.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(Column(no_wrap=True))
        self._width = BAR_CELLS if console.width >= WIDE else BAR_CELLS // 2
        self._cells = CELLS if (console.encoding or "").lower().startswith("utf") else ASCII_CELLS

    def render(self, task: Task) -> Text:
        """Return the bar; it is full where all steps are done, and empty where none is."""
        full, empty = self._cells
        done = int(self._width * task.percentage / 100)
        return Text.assemble((full * done, "green"), (empty * (self._width - done), "dim"))


class WordsColumn(ProgressColumn):
    """What a bar's issue is doing, in one line, from the field `words`, which holds a `TerminalText`."""

    def render(self, task: Task) -> Text:
        """Return the words; where there is no room for all of them, they end with a mark."""
        words: Text = task.fields["words"].copy()
        words.no_wrap, words.overflow = True, "ellipsis"
        return words
