"""The page of metrics: those of docs/telemetry.md, by name."""

from __future__ import annotations

import re

from miyabi_core.text import split_lines
from scripts.docs.reference.markdown import code, table
from scripts.docs.tree import WRITTEN

#: A row of a table of metrics: names, type, labels, meaning.
_ROW = re.compile(r"^\| (?P<names>`\w+`(?:, `\w+`)*) \| (?P<kind>\w+) \|(?P<labels>[^|]*)\| (?P<meaning>.*) \|$")


def page() -> str:
    """Return the page."""
    rows = sorted(described())
    listed = table(("name", "type", "labels", "meaning", "of"), ((code(name), *rest) for name, *rest in rows))
    return (
        "# Metrics\n\nServed at `/metrics` where `…_METRICS_ADDRESS` is set, and sent by OTLP under the same names. "
        f"Spans, logs and what they mean: [telemetry](../telemetry.md).\n\n{listed}"
    )


def described() -> list[tuple[str, str, str, str, str]]:
    """Return name, type, labels, meaning and section of each metric of docs/telemetry.md."""
    return rows_of((WRITTEN / "telemetry.md").read_text(encoding="utf-8"))


def rows_of(text: str) -> list[tuple[str, str, str, str, str]]:
    """Return name, type, labels, meaning and section of each metric that a page describes."""
    rows, section = [], ""
    for line in split_lines(text):
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif found := _ROW.match(line):
            names = re.findall(r"\w+", found["names"])
            rows += [
                (name, found["kind"], found["labels"].strip(), found["meaning"], _linked(section)) for name in names
            ]
    return rows


def _linked(section: str) -> str:
    """Return a link to a section of the page."""
    slug = re.sub(r"[^\w\- ]", "", section.lower()).replace(" ", "-")
    return f"[{section.removeprefix('Metrics of ')}](../telemetry.md#{slug})"
