"""Which issues ask for the same, and what becomes of those that are not worked on."""

from __future__ import annotations

import asyncio

import pytest

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import state_pb2
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as gateway_pb
from miyabi_coordinator.decide import decide, duplicates_of, suspects_of
from miyabi_coordinator.decide.duplicates import original_of
from miyabi_coordinator.models import (
    FailureReason,
    IssueFacts,
    Judgement,
    Original,
    PrerequisiteEnded,
    Run,
    RunState,
    Spec,
    Suspect,
)
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


RETOLD = """
Hello! We sell with coupons, and I think the sum in the footer keeps the old number, and the invoice is made from that.
Nothing else is wrong with the cart that we could see, and everybody here waits for a mended version of it.
"""
PAGE = f"https://example.test/{REPOSITORY}/issues/1"
PULL = f"https://example.test/{REPOSITORY}/pull/40"


@pytest.mark.parametrize("number", [12, 3], ids=["newer", "older"])
def test_what_is_like_another_issue_is_suspected(number):
    """Two sentences that somebody retold are too little to be sure of, and enough to ask; it is the newer one that is asked about."""
    issues = [issue(7, "Cart total is wrong", REPORT), issue(number, "Discount stays on the invoice", RETOLD)]
    suspect = Suspect(min(7, number), f"https://example.test/{min(7, number)}")
    assert suspects_of(issues) == {max(7, number): (suspect,)}
    assert duplicates_of(issues) == {}
    assert suspects_of(issues, tied=[7, number]) == {}


def test_titles_that_mention_each_other_are_suspected():
    """Different words throughout, and each report mentions most of what the other's title names."""
    mine = "The footer of the cart keeps its discount. It is the coupon that was taken off before, on each page that I saw."
    its = "Take a coupon off: whatever I do, the discount is in the total of the cart until somebody loads that page anew."
    issues = [
        issue(7, "Discount of a coupon stays in cart", mine),
        issue(12, "Cart: coupon leaves discount behind", its),
    ]
    assert [suspect.issue for suspect in suspects_of(issues)[12]] == [7]


def test_one_template_makes_nobody_suspect():
    """Issues that were written from one text, part after part, cost no call of a model."""
    parts = ("orders", "invoices", "refunds", "customers")
    issues = [issue(7 + at, f"Move {part} to the client", TEMPLATE.format(part=part)) for at, part in enumerate(parts)]
    assert suspects_of(issues) == {}


def test_what_we_delivered_comes_first():
    """An issue is a duplicate of one that has an open pull request of ours, however new that is; no one is of both."""
    ours = [IssueFacts(90, "Cart total is wrong", PULL, REPORT)]
    found = suspects_of([issue(7, "Wrong total", REPORT), issue(8, "Total of the cart", REPORT)], ours=ours)
    suspect = Suspect(90, PULL, pull_request=True, sure=True)
    assert found == {7: (suspect,), 8: (suspect,)}


@pytest.mark.parametrize(
    ("judged", "expected"),
    [((), 2), ((Judgement(2, False),), 0), ((Judgement(1, True),), 1), ((Judgement(1, False),), 2)],
    ids=["nobody judged", "refused", "confirmed", "another one refused"],
)
def test_a_model_confirms_or_the_text_is_sure(judged, expected):
    """What a model confirmed is the original, else what the text is sure of and no model refused."""
    run = Run("B", 5, suspects=(Suspect(1), Suspect(2, sure=True)))
    found = original_of(run, judged)
    assert (found.issue if found else 0) == expected


def answering(confirmed, *, quote="the old number"):
    """Return an agent that judges each suspect so; None: not at all."""

    def answer(lease):
        outcome = succeed(lease)
        for suspect in lease.inputs.suspects if confirmed is not None else ():
            outcome.triage.duplicates.add(issue_number=suspect.issue_number, confirmed=confirmed, quote=quote)
        return outcome

    return answer


async def run_batch(stack, operators, *, body=f"Same here.\n{REPORT}", answer=succeed, **fields):
    """Hand over issues 1, 2 and 3, of which 3 asks for what 1 does; returns the events and the batch."""
    stack.gateway.bodies |= {1: REPORT, 3: body}
    stack.gateway.titles |= {1: "Cart total is wrong", 3: "Wrong total in the cart"}
    async with stack.coordinator() as channel, stack.agent(channel, answer=answer) as agent, asyncio.timeout(20):
        stub = operators(channel)
        request = pb.SubmitBatchRequest(repository=REPOSITORY, issue_numbers=[1, 2, 3], **fields)
        events = [event async for response in stub.SubmitBatch(request) for event in response.events]
        stored = await stub.GetBatch(pb.GetBatchRequest(name=events[0].batch))
    leases = [agent.leases.get_nowait() for _ in range(agent.leases.qsize())]
    return events, stored, [(lease.inputs.issue_number, int(lease.kind)) for lease in leases]


@pytest.mark.parametrize(
    ("body", "confirmed", "shows"),
    [
        pytest.param(f"Same here.\n{REPORT}", None, "", id="the text is sure"),
        pytest.param(RETOLD, True, " (a model compared both: “the old number”)", id="a model confirms"),
    ],
)
async def test_a_duplicate_is_skipped_with_a_link(stack, operators, body, confirmed, shows):
    """It is suspected from the first event on, ends with its triage and a link, and the batch succeeds without it."""
    events, stored, leased = await run_batch(stack, operators, body=body, answer=answering(confirmed))
    accepted = events[0].batch_accepted
    told = [[(suspect.issue_number, suspect.sure) for suspect in entry.suspects] for entry in accepted.issues]
    assert told == [[], [], [(1, confirmed is None)]]
    assert [kind for number, kind in leased if number == 3] == [1]
    run, result = stored.runs[2], events[-1].batch_finished.results[2]
    for told in (run, result):
        assert (told.state, told.failure_reason) == (state_pb2.RUN_STATE_SKIPPED, state_pb2.FAILURE_REASON_DUPLICATE)
        assert told.failure_message == f"Asks for the same as #1: {PAGE}{shows}"
        assert told.duplicate_of == 1
    assert run.duplicate_url == PAGE
    recorded = [
        event.triage_recorded for event in events if event.HasField("triage_recorded") and event.issue_number == 3
    ]
    assert [[entry.confirmed for entry in triage.duplicates] for triage in recorded] == [[True] if confirmed else []]
    # What the comparison cost is the issue's.
    assert run.spent.cost_usd_micros == 1000
    assert stored.batch.state == state_pb2.BATCH_STATE_SUCCEEDED
    assert differences(rebuild(events), batch=stored.batch, runs=stored.runs) == []


@pytest.mark.parametrize(
    ("body", "confirmed"),
    [(RETOLD, None), (RETOLD, False), (REPORT, False)],
    ids=["nobody judged what is only likely", "a likely one is refused", "a sure one is refused"],
)
async def test_what_is_not_confirmed_is_worked_on(stack, operators, body, confirmed):
    """What is only likely needs a model that says so, and a model that read both is believed."""
    events, stored, leased = await run_batch(stack, operators, body=body, answer=answering(confirmed))
    assert [run.state for run in stored.runs] == [state_pb2.RUN_STATE_SUCCEEDED] * 3
    assert [kind for number, kind in leased if number == 3][:2] == [1, 2]
    assert (stored.runs[2].duplicate_of, stored.runs[2].duplicate_url) == (0, "")
    assert [len(run.suspects) for run in stored.runs] == [0, 0, 1]
    assert differences(rebuild(events), batch=stored.batch, runs=stored.runs) == []


@pytest.mark.parametrize(
    "fields", [{"no_grouping": True}, {"pipeline": state_pb2.PIPELINE_TRIAGE}], ids=["switched off", "triage"]
)
async def test_where_nothing_is_grouped_every_issue_is_worked_on(stack, operators, fields):
    """Grouping can be switched off, and is for fixes only."""
    stack.gateway.ours = [gateway_pb.OurPullRequest(issue_number=9, number=40, url=PULL)]
    events, stored, leased = await run_batch(stack, operators, **fields)
    assert {number for number, _ in leased} == {1, 2, 3}
    assert [(run.duplicate_of, list(run.suspects)) for run in stored.runs] == [(0, [])] * 3
    assert events[0].batch_accepted.batch.spec.grouping is False


async def test_a_duplicate_of_an_open_pull_request_of_ours_is_linked_to_it(stack, operators):
    """What an earlier batch delivered is not made again: the issue ends with the link to the pull request."""
    stack.gateway.bodies[9] = REPORT
    stack.gateway.titles[9] = "Cart total is wrong"
    stack.gateway.ours = [gateway_pb.OurPullRequest(issue_number=9, number=40, url=PULL)]
    events, stored, _ = await run_batch(stack, operators)
    for run in (stored.runs[0], stored.runs[2]):
        assert run.failure_message == f"Asks for the same as #9, which has an open pull request: {PULL}"
        assert (run.failure_reason, run.duplicate_of) == (state_pb2.FAILURE_REASON_DUPLICATE, 0)
        assert run.duplicate_url == PULL
    assert (stored.runs[1].state, list(events[0].batch_accepted.not_known)) == (state_pb2.RUN_STATE_SUCCEEDED, [])
    assert stored.batch.state == state_pb2.BATCH_STATE_SUCCEEDED


async def test_a_pull_request_whose_issue_is_gone_holds_nothing_up(stack, operators):
    """Of our pull requests those are compared whose issues can be read."""
    stack.gateway.ours = [gateway_pb.OurPullRequest(issue_number=9, number=40, url=PULL)]
    _, stored, _ = await run_batch(stack, operators)
    assert [run.duplicate_of for run in stored.runs] == [0, 0, 1]


async def test_a_duplicate_runs_again_where_somebody_names_it(stack, operators):
    """A retry of all leaves a duplicate as it is; one that names it has it worked on, whatever its text looks like."""
    broken = {1, 2}

    def answer(lease):
        outcome = succeed(lease)
        if lease.inputs.issue_number in broken and lease.kind == 1:
            outcome.failure.reason = state_pb2.FAILURE_REASON_AGENT_ERROR
        return outcome

    stack.gateway.bodies |= {1: REPORT, 3: REPORT}
    stack.gateway.titles |= {1: "Cart total is wrong", 3: "Wrong total in the cart"}
    skipped, succeeded, failed = (
        state_pb2.RunState.Value(f"RUN_STATE_{name}") for name in ("SKIPPED", "SUCCEEDED", "FAILED")
    )
    async with stack.coordinator() as channel, stack.agent(channel, answer=answer), asyncio.timeout(20):
        stub = operators(channel)
        request = pb.SubmitBatchRequest(repository=REPOSITORY, issue_numbers=[1, 2, 3])
        events = [event async for response in stub.SubmitBatch(request) for event in response.events]
        name = events[0].batch
        for chosen, gone, expected in (([], 1, [succeeded, failed, skipped]), ([2, 3], 2, [succeeded] * 3)):
            broken.discard(gone)
            await stub.RetryBatch(pb.RetryBatchRequest(name=name, issue_numbers=chosen))
            request = pb.WatchBatchRequest(name=name, after_sequence=events[-1].sequence)
            events += [event async for response in stub.WatchBatch(request) for event in response.events]
            stored = await stub.GetBatch(pb.GetBatchRequest(name=name))
            assert [run.state for run in stored.runs] == expected
    assert stored.runs[2].duplicate_of == 0
    assert stored.batch.state == state_pb2.BATCH_STATE_SUCCEEDED
    assert differences(rebuild(events), batch=stored.batch, runs=stored.runs) == []


def test_a_duplicate_of_an_older_version_ends_with_its_original():
    """Batches that were accepted before triage compared have duplicates that wait: such a one is skipped."""
    run = Run("B", 3, waits_for=(1,), depends_on=(1,), duplicate_of=Original(1, PAGE))
    after = decide(run, Spec(REPOSITORY, (1, 3)), PrerequisiteEnded(1, succeeded=True), 9.0).run
    assert (after.state, after.reason) == (RunState.SKIPPED, FailureReason.DUPLICATE)
    assert after.message == f"Asks for the same as #1, which was worked on: {PAGE}"
