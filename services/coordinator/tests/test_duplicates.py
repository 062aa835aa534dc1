"""Which issues ask for the same, and what becomes of those that are not worked on."""

from __future__ import annotations

import asyncio

import pytest

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import state_pb2
from miyabi_coordinator.decide import duplicates_of
from miyabi_coordinator.models import IssueFacts
from miyabi_coordinator.testing import REPOSITORY, succeed
from miyabi_coordinator.translate.replay import differences, rebuild

REPORT = """
After a coupon is taken off the cart, the total still has the discount in it until the page is loaded again. The
subtotal of each line is right, only the sum in the footer keeps the old number, and the invoice is made from that sum.
I would have thought that `Cart.total` is computed from the lines, but it is kept from the last time that a coupon was
looked at, and nobody clears it once the coupon is gone.
"""
TRACE = """
Traceback (most recent call last):
  File "/home/ann/shop/app/views.py", line 31, in checkout
    return pay(cart)
  File "/home/ann/shop/app/payment.py", line 102, in pay
    amount = quantise(cart.total, currency)
  File "/home/ann/shop/app/money.py", line 17, in quantise
    return value.quantize(STEPS[currency])
KeyError: 'JPY'
"""
ELSEWHERE = TRACE.replace("/home/ann/shop", "/srv/www").replace("102", "98").replace("31", "44")
NODE = """
TypeError: Cannot read properties of undefined (reading 'rate')
    at convert (/app/src/money.js:12:9)
    at total (/app/src/cart.js:40:3)
    at Layer.handle (/app/node_modules/express/lib/router/layer.js:95:5)
"""
JAPANESE = (
    "クーポンを削除した後も、ページを再読み込みするまで合計金額に割引が残ったままになっています。"
    "各行の小計は正しいのですが、フッターの合計だけが古い数字のままです。"
)
TEMPLATE = """
Move the {part} screen to the new client. The old one does not retry, keeps its connection open for ever, and logs the
whole body of each answer. Use the client of `net/client.py`, keep the time limits as they are, and have a test for an
answer that never comes. Nothing else of the screen changes, so that each of these can be looked at by itself.
"""
IMPORTS = """
```python
import os
import sys
import numpy as np
import pandas as pd
import matplotlib.pyplot as plt
fig, ax = plt.subplots()
```
"""


def issue(number, title, body=""):
    return IssueFacts(number, title, f"https://example.test/{number}", body)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(("Cart total is wrong", REPORT), ("Cart total is wrong", REPORT), id="the same text"),
        pytest.param(
            ("Cart total is wrong after a coupon is removed", REPORT),
            ("[Bug]: incorrect total of the cart once a coupon was removed", f"Hello all,\n{REPORT}\nThanks!"),
            id="another title",
        ),
        pytest.param(
            ("Cart total is wrong", REPORT),
            ("Wrong cart total", "It bites us too.\n\n" + "\n".join(REPORT.strip().splitlines()[1:])),
            id="a part of the text",
        ),
        pytest.param(
            ("Checkout crashes with KeyError", f"I pay in yen.\n```\n{TRACE}```"),
            ("Japanese customers see an empty page", f"Since the release of last night:\n{ELSEWHERE}"),
            id="an error in Python",
        ),
        pytest.param(
            ("Cart page is empty", f"Seen once a day.{NODE}"),
            ("500 for new visitors", f"In the log:{NODE.replace(':12:9', ':14:9').replace('/app/', '/srv/')}"),
            id="an error in JavaScript",
        ),
        pytest.param(
            ("Support dark mode in settings", ""),
            ("Please add dark mode support to the settings", "See title."),
            id="titles that say it all",
        ),
        pytest.param(
            ("クーポン削除後の合計が正しくない", JAPANESE),
            ("合計がおかしい", f"同じです。{JAPANESE}"),
            id="in Japanese",
        ),
    ],
)
def test_the_older_of_two_reports_is_worked_on(first, second):
    """Reports of one thing are found whatever was changed, cut or added, in either order; the older one is worked on."""
    issues = [issue(7, *first), issue(12, *second)]
    assert [duplicates_of(issues), duplicates_of(issues[::-1])] == [{12: 7}, {12: 7}]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(
            ("Move orders to the new client", TEMPLATE.format(part="orders")),
            ("Move invoices to the new client", TEMPLATE.format(part="invoices")),
            id="one template",
        ),
        pytest.param(
            ("Translate the manual into German", REPORT), ("Translate the manual into French", REPORT), id="one word"
        ),
        pytest.param(("Support Python 3.12", REPORT), ("Support Python 3.13", REPORT), id="a number"),
        pytest.param(
            ("Enable dark mode by default", ""), ("Disable dark mode by default", ""), id="the opposite, without a text"
        ),
        pytest.param(
            ("Legend overlaps the plot", f"{IMPORTS}ax.legend(loc='best') is drawn over the line."),
            ("Ticks vanish on a log axis", f"{IMPORTS}ax.set_xscale('log') takes all of them away."),
            id="the same imports",
        ),
        pytest.param(
            ("Checkout crashes", TRACE), ("Refund crashes", TRACE.replace("'JPY'", "'refund'")), id="another message"
        ),
        pytest.param(
            ("Checkout crashes", TRACE), ("Refund crashes", TRACE.replace("quantise", "refund")), id="another call"
        ),
        pytest.param(("Crash", "It crashes."), ("Crash", "It crashes."), id="nothing said"),
        pytest.param(("", ""), ("", ""), id="nothing at all"),
        pytest.param(
            ("Search is slow", "<!-- Please describe -->\n### What happened\n_No response_\n- [x] I searched"),
            ("Export is slow", "<!-- Please describe -->\n### What happened\n_No response_\n- [x] I searched"),
            id="a form that nobody filled in",
        ),
    ],
)
def test_what_only_looks_alike_is_worked_on_twice(first, second):
    """Issues that share a template, boilerplate or half an error are no duplicates."""
    assert duplicates_of([issue(7, *first), issue(12, *second)]) == {}


def test_a_duplicate_is_never_one_that_others_wait_for():
    """An issue with a place in the order of the batch is the one that is worked on; two of them both are."""
    issues = [issue(number, "Cart total is wrong", REPORT) for number in (3, 5, 8)]
    expected = [{5: 3, 8: 3}, {3: 5, 8: 5}, {8: 3}, {}]
    assert [duplicates_of(issues, tied=tied) for tied in ((), (5,), (3, 5), (3, 5, 8))] == expected


def test_no_duplicate_is_the_original_of_another():
    """Five reports of one thing have one original."""
    issues = [issue(number, "Cart total is wrong", REPORT) for number in range(1, 6)]
    assert duplicates_of(issues) == {2: 1, 3: 1, 4: 1, 5: 1}


async def run_batch(stack, operators, *, answer=succeed, **fields):
    """Hand over issues 1, 2 and 3, of which 3 asks for what 1 does; returns the events and the batch."""
    stack.gateway.bodies |= {1: REPORT, 3: f"Same here.\n{REPORT}"}
    stack.gateway.titles |= {1: "Cart total is wrong", 3: "Wrong total in the cart"}
    async with stack.coordinator() as channel, stack.agent(channel, answer=answer) as agent, asyncio.timeout(20):
        stub = operators(channel)
        request = pb.SubmitBatchRequest(repository=REPOSITORY, issue_numbers=[1, 2, 3], **fields)
        events = [event async for response in stub.SubmitBatch(request) for event in response.events]
        stored = await stub.GetBatch(pb.GetBatchRequest(name=events[0].batch))
    return events, stored, [agent.leases.get_nowait().inputs.issue_number for _ in range(agent.leases.qsize())]


async def test_a_duplicate_is_skipped_with_a_link_and_costs_nothing(stack, operators):
    """A duplicate is linked from the first event on, is never leased, ends as skipped, and the batch succeeds."""
    events, stored, leased = await run_batch(stack, operators)
    accepted = events[0].batch_accepted
    assert [(entry.number, entry.duplicate_of) for entry in accepted.issues] == [(1, 0), (2, 0), (3, 1)]
    assert set(leased) == {1, 2}
    run, result = stored.runs[2], events[-1].batch_finished.results[2]
    link = f"https://example.test/{REPOSITORY}/issues/1"
    for told in (run, result):
        assert (told.state, told.failure_reason) == (state_pb2.RUN_STATE_SKIPPED, state_pb2.FAILURE_REASON_DUPLICATE)
        assert told.failure_message == f"Asks for the same as #1, which was worked on: {link}"
        assert told.duplicate_of == 1
    assert run.spent.calls + run.spent.cost_usd_micros == 0
    assert stored.batch.state == state_pb2.BATCH_STATE_SUCCEEDED
    assert differences(rebuild(events), batch=stored.batch, runs=stored.runs) == []


@pytest.mark.parametrize(
    "fields", [{"no_grouping": True}, {"pipeline": state_pb2.PIPELINE_TRIAGE}], ids=["switched off", "triage"]
)
async def test_where_nothing_is_grouped_every_issue_is_worked_on(stack, operators, fields):
    """Grouping can be switched off, and is for fixes only."""
    events, stored, leased = await run_batch(stack, operators, **fields)
    assert set(leased) == {1, 2, 3}
    assert [run.duplicate_of for run in stored.runs] == [0, 0, 0]
    assert events[0].batch_accepted.batch.spec.grouping is False


async def test_a_retry_takes_a_duplicate_along_with_its_original_alone(stack, operators):
    """A duplicate runs again with its failed original, not for itself; both then end as before."""
    broken = {1, 2}

    def answer(lease):
        outcome = succeed(lease)
        if lease.inputs.issue_number in broken and lease.kind == 1:
            outcome.failure.reason = state_pb2.FAILURE_REASON_AGENT_ERROR
        return outcome

    stack.gateway.bodies |= {1: REPORT, 3: REPORT}
    stack.gateway.titles |= {1: "Cart total is wrong", 3: "Wrong total in the cart"}
    async with stack.coordinator() as channel, stack.agent(channel, answer=answer), asyncio.timeout(20):
        stub = operators(channel)
        request = pb.SubmitBatchRequest(repository=REPOSITORY, issue_numbers=[1, 2, 3])
        events = [event async for response in stub.SubmitBatch(request) for event in response.events]
        name = events[0].batch
        failed = (await stub.GetBatch(pb.GetBatchRequest(name=name))).runs
        assert "which did not succeed" in failed[2].failure_message
        broken.clear()
        await stub.RetryBatch(pb.RetryBatchRequest(name=name))
        request = pb.WatchBatchRequest(name=name, after_sequence=events[-1].sequence)
        more = [event async for response in stub.WatchBatch(request) for event in response.events]
        stored = await stub.GetBatch(pb.GetBatchRequest(name=name))
    assert [run.state for run in stored.runs] == [
        state_pb2.RUN_STATE_SUCCEEDED,
        state_pb2.RUN_STATE_SUCCEEDED,
        state_pb2.RUN_STATE_SKIPPED,
    ]
    assert "which was worked on" in stored.runs[2].failure_message
    assert stored.batch.state == state_pb2.BATCH_STATE_SUCCEEDED
    assert differences(rebuild([*events, *more]), batch=stored.batch, runs=stored.runs) == []
