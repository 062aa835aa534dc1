"""A report of what was measured: the same on a terminal, as Markdown, as one file of HTML, for machines."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from scripted_coordinator import BATCH
from scripted_coordinator import NAME as COORDINATOR
from scripted_measurements import LENGTH, NAME, ScriptedDashboard, measurements
from scripted_operations import Operations
from test_commands import miyabi
from test_every_view import TEXTS, carried, is_harmless

from miyabi.coordinator.v1.coordinator_service_pb2_grpc import add_CoordinatorServiceServicer_to_server
from miyabi.coordinator.v1.limits_pb2 import LimitReason
from miyabi.dashboard.v1 import telemetry_service_pb2 as pb
from miyabi.dashboard.v1.telemetry_service_pb2_grpc import add_TelemetryServiceServicer_to_server
from miyabi_cli.report.comparison import comparison_of, measures
from miyabi_cli.report.contents import report_of
from miyabi_cli.report.in_html import html_of
from miyabi_cli.report.in_markdown import markdown_of
from miyabi_cli.report.live import REASONS, live_report
from miyabi_cli.report.model import Report
from miyabi_cli.report.on_terminal import show_report
from miyabi_cli.report.paths import STRETCHES
from miyabi_core.testing import running_server

HOSTILE = '"><script src=//x.test/a.js></script><img src=x onerror=alert(1)>&\x1b[2J\u202e'


def report(words: str = "") -> Report:
    """Return a report in which every section has something to say."""
    return report_of(measurements(words), about=BATCH)


def printed(shown: Report, width: int) -> str:
    """Return a report as a terminal of a width shows it."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    show_report(console, shown)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [40, 80, 100, 120, 200])
def test_a_terminal_of_any_width_shows_all_of_it(width: int) -> None:
    """Each section and each address whole; no cell is cut, and tables keep within the width."""
    text = printed(report(), width)
    assert "…" not in text
    assert [section.title for section in report().sections if section.title not in text] == []
    assert text.count(f"{BATCH}/runs/7/tasks/implement") == 2
    assert "5 min 22 s" in text
    assert "75 %" in text
    tables = [line for line in text.splitlines() if line.startswith(" ") and "  " in line.strip() and ": " not in line]
    assert max(map(len, tables), default=0) <= width


def test_what_was_not_measured_is_no_number() -> None:
    """An answer with nothing in it is a report that says so, in each form."""
    empty = report_of(pb.GetPerformanceReportResponse(not_measured=["The store was away."]), about="the last 7d")
    text = printed(empty, 100)
    assert empty.sections == ()
    assert "Nothing to say of: " in text
    assert "not measured: The store was away." in text
    assert "Not measured: The store was away." in markdown_of(empty)
    assert "Not measured: The store was away." in html_of(empty)
    summary = pb.DurationSummary(subject="plan", count=1)
    only = report_of(pb.GetPerformanceReportResponse(tasks=[summary]), about="x")
    assert only.sections[0].rows[0].cells == ("plan", "1", "0", "-", "-", "-", "-", "-")


@settings(deadline=None, max_examples=40)
@given(text=TEXTS)
def test_a_strangers_text_moves_no_terminal(text: str) -> None:
    """Names of tools, models, tests, and what failures said."""
    assert is_harmless(printed(report(carried(text)), 100))


class Elements(HTMLParser):
    """Collects what a page consists of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend(attrs)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def shape(page: str) -> list[str]:
    """Return the elements of a page."""
    return Elements(page).tags


@settings(deadline=None, max_examples=40)
@given(text=TEXTS | st.just(HOSTILE) | st.text(max_size=30))
def test_a_strangers_text_adds_no_element(text: str) -> None:
    """Whatever somebody wrote, the page has the elements that it has with plain words."""
    assert shape(html_of(report(carried(text) or "x"))) == shape(html_of(report("x")))


def test_the_page_loads_and_runs_nothing() -> None:
    """No script, no address of another place in any attribute, and a policy that forbids both; light and dark."""
    page = html_of(report(HOSTILE))
    found = Elements(page)
    assert {"script", "iframe", "img", "object", "form", "a"} & set(found.tags) == set()
    assert [value for name, value in found.attributes if name in {"src", "href", "action", "xlink:href"}] == ["data:,"]
    assert [name for name, _ in found.attributes if name.startswith("on") or name == "style"] == []
    assert re.search(r"url\(|@import|https?:", page) is None
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'; img-src data:") in found.attributes
    assert "prefers-color-scheme: dark" in page
    assert found.tags.count("svg") > 10


def test_the_time_line_has_each_stretch_at_its_place() -> None:
    """Lanes by issue, from the first moment to the last, in the width of the drawing."""
    page = html_of(report())
    drawing = page.partition('<svg class="timeline"')[2].partition("</svg>")[0]
    stretches = re.findall(r'<rect class="kind\d" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', drawing)
    assert len(stretches) == 15
    assert float(stretches[0][0]) == 90
    assert max(float(x) + float(width) for x, width in stretches) == pytest.approx(1000, abs=1)
    assert re.findall(r'class="lane"[^>]*>([^<]+)<', drawing) == ["#7", "#9"]
    assert f"Time line of 15 stretches over {LENGTH // 60} min {LENGTH % 60} s" in page


def test_markdown_keeps_strangers_in_their_cells() -> None:
    """A bar in a name makes no column, a line end no row, and nothing is HTML."""
    text = markdown_of(report("a | b\n| c |<b>@everyone"))
    rows = [line for line in text.split("\n") if line.startswith("|")]
    unescaped = [len(re.findall(r"(?<!\\)\|", line)) for line in rows]
    plain = [line.count("|") for line in markdown_of(report("x")).split("\n") if line.startswith("|")]
    assert unescaped == plain
    assert re.search(r"(?<!\\)<b>", text) is None


def test_every_word_of_the_protos_has_ours() -> None:
    """A stretch or a reason that is added there is missing here until somebody says what it is."""
    assert sorted(STRETCHES) == sorted(number for number in pb.SegmentKind.values() if number)
    assert sorted(REASONS) == sorted(number for number in LimitReason.values() if number)


def test_a_comparison_tells_both_and_the_change() -> None:
    """More, less, the same, and what only one of both measured."""
    before, after = measurements(), measurements()
    after.totals.cost_usd_micros *= 2
    after.totals.ClearField("cache_share")
    del after.tools[:]
    compared = {(entry.table, entry.name): entry for entry in measures((before, after))}
    assert compared["Totals", "cost"].change == "+100%"
    assert compared["Totals", "tokens out"].change == "="
    assert compared["Totals", "tokens in from the cache"].change == "-"
    assert compared["Tools, sum", "search_code"].after is None
    shown = comparison_of((before, after), ("batches/A", "batches/B"))
    assert ("A", "batches/A") in shown.facts
    assert "…" not in printed(shown, 80)
    assert shape(html_of(shown)).count("table") == len(shown.sections)


def test_a_live_report_has_the_steps_of_limits() -> None:
    """Beside what is measured, when limits were changed and why."""
    shown = live_report(measurements(), [], about="x", not_known=["steps of limits: no"])
    assert "Steps of limits, newest first" in shown.silent
    assert shown.not_measured[-1] == "steps of limits: no"
    assert replace(shown, title="").facts == replace(report(), title="").facts


async def run_both(*arguments: str, dashboard: ScriptedDashboard | None = None) -> tuple[int, str, str]:
    """Run the command against a coordinator and a dashboard."""
    servicer = dashboard or ScriptedDashboard(measurements())
    async with (
        running_server((add_CoordinatorServiceServicer_to_server, Operations(), COORDINATOR)) as target,
        running_server((add_TelemetryServiceServicer_to_server, servicer, NAME)) as measured,
    ):
        return await miyabi(*arguments, target=target, MIYABI_DASHBOARD=measured)


async def test_a_report_of_a_batch_is_asked_for_by_its_name() -> None:
    """`latest` is looked up; filters go along, and the period stays empty: a batch is whole."""
    dashboard = ScriptedDashboard(measurements())
    code, output, errors = await run_both(
        "report", "latest", "--issue", "7", "--agent", "agents/local-1", dashboard=dashboard
    )
    (asked,) = dashboard.asked
    assert (code, errors) == (0, "")
    assert (asked.batch, asked.issue_number, asked.agent, asked.HasField("start_time")) == (BATCH, 7, "local-1", False)
    assert f"Report of #7 of {BATCH}" in output


async def test_a_report_of_a_period_says_which() -> None:
    """Seven days where nothing is named; machines get the answer as the proto has it."""
    dashboard = ScriptedDashboard(measurements())
    code, output, _ = await run_both("report", "--repository", "a/b", "--json", dashboard=dashboard)
    (asked,) = dashboard.asked
    assert (code, json.loads(output)["samples"], asked.repository) == (0, "412", "a/b")
    assert asked.HasField("start_time")


@pytest.mark.parametrize(
    ("form", "begins"), [("html", "<!doctype html>"), ("markdown", "# Report of"), ("terminal", "Report of")]
)
async def test_a_report_goes_to_a_file(tmp_path: Path, form: str, begins: str) -> None:
    """In each format; where it went is said on standard error."""
    file = tmp_path / "report"
    code, output, errors = await run_both("report", BATCH, "--format", form, "--out", str(file))
    assert (code, output) == (0, "")
    assert str(file) in errors
    assert file.read_text(encoding="utf-8").startswith(begins)


async def test_two_batches_are_compared() -> None:
    """Each asked for by itself."""
    dashboard = ScriptedDashboard(measurements())
    code, output, errors = await run_both("report", "--compare", BATCH, "latest", dashboard=dashboard)
    assert (code, errors, [asked.batch for asked in dashboard.asked]) == (0, "", [BATCH, BATCH])
    assert "Two batches compared" in output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["report", "latest", "--since", "7d"], "not both"),
        (["report", "--since", "soon"], "--since"),
        (["report", "--compare", "latest", "latest", "--repository", "a/b"], "--compare"),
        (["report", "latest", "--format", "pdf"], "--format"),
        (["report", "latest", "--json", "--format", "html"], "--json"),
        (["perf", "latest", "--since", "1h"], "not both"),
        (["perf", "--since", "-1h"], "--since"),
    ],
)
async def test_what_does_not_go_together_is_refused(arguments: list[str], said: str) -> None:
    """Nothing is left out in silence."""
    code, output, errors = await run_both(*arguments)
    assert (code, output) == (2, "")
    assert said in errors


async def test_perf_shows_what_is_measured_now() -> None:
    """Once, with the steps of limits that the coordinator lists."""
    code, output, errors = await run_both("perf", "--once")
    assert (code, errors) == (0, "")
    assert "Measured: the last 1h" in output
    assert "model-api/api.anthropic.com" in output
    assert "2 of 16 calls were refused" in output
