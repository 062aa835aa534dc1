import { describe, expect, it } from "vitest";
import { tone } from "./batch";
import { object, type Json } from "../wire/json";
import { applyEvents, emptyView, fromSnapshot, GapError, withRuns, type Numbered } from "./state";

const BATCH = "batches/01ARZ3NDEKTSV4RRFFQ69G5FAV";

function numbered(...events: Json[]): Numbered[] {
  return events.map((event, index) => ({ sequence: index + 1, event: { batch: BATCH, ...event } }));
}

const ACCEPTED: Json = {
  batch_accepted: {
    batch: { name: BATCH, spec: { repository: "a/b", issue_numbers: [7, 8] }, state: "BATCH_STATE_RUNNING", simulated: true },
    issues: [{ number: 7, title: "Broken" }, { number: 8, title: "Missing" }],
  },
};
const TASKS: Json = {
  issue_number: 7,
  tasks_added: { tasks: [{ name: `${BATCH}/runs/7/tasks/triage`, kind: "TASK_KIND_TRIAGE", state: "TASK_STATE_READY" }] },
};

describe("events", () => {
  it("show a batch with its issues as soon as it is accepted", () => {
    const view = emptyView();
    applyEvents(view, numbered(ACCEPTED));
    const batch = view.batches.get(BATCH);
    expect([...(batch?.issues.values() ?? [])].map((issue) => issue.title)).toEqual(["Broken", "Missing"]);
    expect(batch?.simulated).toBe(true);
  });

  it("move a task of the right issue", () => {
    const view = emptyView();
    const moved = { issue_number: 7, task_id: "triage", task_state_changed: { to_state: "TASK_STATE_LEASED" } };
    applyEvents(view, numbered(ACCEPTED, TASKS, moved));
    expect(view.batches.get(BATCH)?.issues.get(7)?.tasks).toMatchObject([{ id: "triage", kind: "triage", state: "leased" }]);
    expect(view.batches.get(BATCH)?.issues.get(8)?.tasks).toEqual([]);
  });

  it("say which issue a duplicate stands behind, and for which others an issue waits", () => {
    const view = emptyView();
    const issues = [{ number: 7, title: "Broken" }, { number: 8, title: "Missing", duplicate_of: 7 }];
    const accepted = { batch_accepted: { ...(ACCEPTED["batch_accepted"] as Json), issues } };
    const waits = { issue_number: 7, run_ordered: { message: "Waits for #5: both touch src/cart.py." } };
    applyEvents(view, numbered(accepted, waits));
    expect(view.batches.get(BATCH)?.issues.get(8)?.duplicateOf).toBe(7);
    expect(view.batches.get(BATCH)?.issues.get(7)?.doing).toBe("Waits for #5: both touch src/cart.py.");
    expect(object(object(view.timeline[0]?.event)["run_ordered"])["message"]).toBe("Waits for #5: both touch src/cart.py.");
  });

  it("make another object of a task that moved, and leave the others", () => {
    const view = emptyView();
    applyEvents(view, numbered(ACCEPTED, TASKS));
    const batch = view.batches.get(BATCH);
    const [known, untouched] = [batch?.issues.get(7), batch?.issues.get(8)];
    const [before] = known?.tasks ?? [];
    const moved = { batch: BATCH, issue_number: 7, task_id: "triage", task_state_changed: { to_state: "TASK_STATE_SUCCEEDED" } };
    const other = { ...moved, task_id: "plan", task_kind: "TASK_KIND_PLAN" };
    applyEvents(view, [{ sequence: 3, event: moved }, { sequence: 4, event: other }]);
    const issue = batch?.issues.get(7);
    expect([issue === known, batch?.issues.get(8) === untouched]).toEqual([false, true]);
    expect(issue?.tasks.map((task) => [task.id, task.state])).toEqual([["triage", "succeeded"], ["plan", "succeeded"]]);
    expect([issue?.tasks[0] === before, before?.state]).toEqual([false, "ready"]);
  });

  it("name what an issue is doing by its task, where they do not tell the kind", () => {
    const view = emptyView();
    const doing: Json = { issue_number: 7, task_id: "triage", task_kind: "TASK_KIND_UNSPECIFIED", step_changed: { step: "running tests" } };
    applyEvents(view, numbered(ACCEPTED, TASKS, doing));
    expect(view.batches.get(BATCH)?.issues.get(7)?.doing).toBe("triage: running tests");
  });

  it("count what ended, and what it cost", () => {
    const view = emptyView();
    const finished = {
      issue_number: 7,
      issue_finished: { state: "RUN_STATE_SUCCEEDED", cost_usd_micros: "12500", duration: "4.5s", review_score: 96 },
    };
    const spent = { issue_number: 7, task_id: "triage", task_state_changed: { spent: { cost_usd_micros: "12500" } } };
    applyEvents(view, numbered(ACCEPTED, spent, finished));
    const batch = view.batches.get(BATCH);
    expect([batch?.done, batch?.failed, batch?.costUsd]).toEqual([1, 0, 0.0125]);
    expect(batch?.issues.get(7)?.result?.seconds).toBe(4.5);
  });

  it("are refused when one is missing", () => {
    const view = emptyView();
    expect(() => applyEvents(view, [{ sequence: 2, event: {} }])).toThrow(GapError);
  });

  it("that were seen before change nothing", () => {
    const view = emptyView();
    const delta = { issue_number: 7, text_delta: { text: "x" } };
    const events = numbered(ACCEPTED, delta);
    applyEvents(view, events);
    applyEvents(view, events);
    expect(view.batches.get(BATCH)?.issues.get(7)?.speeches.get("/")?.text).toBe("x");
  });
});

describe("a snapshot", () => {
  it("sets the sequence that events follow", () => {
    const view = fromSnapshot({ sequence: 41, simulated: true, batches: [] });
    applyEvents(view, [{ sequence: 42, event: {} }]);
    expect([view.sequence, view.simulated]).toEqual([42, true]);
  });

  it("is completed by the runs of a batch", () => {
    const view = fromSnapshot({ sequence: 0, batches: [] });
    withRuns(view, {
      batch: { name: BATCH, spec: { repository: "a/b", issue_numbers: [7] } },
      runs: [{ issue_number: 7, title: "Broken", state: "RUN_STATE_RUNNING", tasks: [] }],
    });
    expect(view.batches.get(BATCH)?.issues.get(7)?.state).toBe("running");
  });
});

/** A batch of five, three of which are done, as ListBatches tells it: counters, but no run. */
const LISTED: Json = {
  name: BATCH,
  spec: { repository: "a/b", issue_numbers: [1, 2, 3, 4, 5] },
  state: "BATCH_STATE_RUNNING",
  counters: { total: 5, pending: 1, running: 1, succeeded: 3 },
  last_sequence: "40",
};

function answer(sequence: number, states: string[]): Json {
  return {
    batch: { ...LISTED, last_sequence: String(sequence) },
    runs: states.map((state, index) => ({ issue_number: index + 1, state: `RUN_STATE_${state}`, tasks: [] })),
  };
}

const THREE_DONE = ["SUCCEEDED", "SUCCEEDED", "SUCCEEDED", "RUNNING", "PENDING"];

function statesIn(view: ReturnType<typeof emptyView>): string[] {
  return [...(view.batches.get(BATCH)?.issues.values() ?? [])].map((issue) => issue.state);
}

describe("a batch that began before the page was opened", () => {
  it("has no invented states: what nobody told is unknown, and asked for", () => {
    const view = fromSnapshot({ sequence: 9, batches: [LISTED] });
    expect(statesIn(view)).toEqual(["", "", "", "", ""]);
    expect([view.batches.get(BATCH)?.done, view.batches.get(BATCH)?.complete]).toEqual([3, false]);
  });

  it("is shown as it stands by the snapshot itself", () => {
    const view = fromSnapshot({ sequence: 9, batches: [LISTED], newest: answer(40, THREE_DONE) });
    expect(statesIn(view)).toEqual(["succeeded", "succeeded", "succeeded", "running", "pending"]);
    expect(view.batches.get(BATCH)?.complete).toBe(true);
  });

  it("keeps its counters right while its runs are unknown", () => {
    const view = fromSnapshot({ sequence: 0, batches: [LISTED] });
    applyEvents(view, numbered({ sequence: 41, issue_number: 4, issue_finished: { state: "RUN_STATE_SUCCEEDED" } }));
    expect(view.batches.get(BATCH)?.done).toBe(4);
  });

  it("is not set back by an answer that is older than its events", () => {
    const view = fromSnapshot({ sequence: 0, batches: [LISTED] });
    applyEvents(view, numbered({ sequence: 41, issue_number: 4, issue_finished: { state: "RUN_STATE_FAILED" } }));
    withRuns(view, answer(40, THREE_DONE));
    expect(statesIn(view)[3]).toBe("failed");
    expect([view.batches.get(BATCH)?.done, view.batches.get(BATCH)?.failed]).toEqual([3, 1]);
  });

  it("counts no event twice that its answer holds already", () => {
    const view = fromSnapshot({ sequence: 0, batches: [LISTED] });
    withRuns(view, answer(41, [...THREE_DONE.slice(0, 3), "SUCCEEDED", "PENDING"]));
    const spent = { spent: { cost_usd_micros: "5000000" } };
    applyEvents(view, numbered({ sequence: 41, issue_number: 4, task_id: "x", task_state_changed: spent }));
    expect(view.batches.get(BATCH)?.costUsd).toBe(0);
  });

  it("is asked for anew when one of its events is missing", () => {
    const view = fromSnapshot({ sequence: 0, batches: [LISTED], newest: answer(40, THREE_DONE) });
    applyEvents(view, numbered({ sequence: 43, issue_number: 4, issue_finished: { state: "RUN_STATE_FAILED" } }));
    expect(view.batches.get(BATCH)?.complete).toBe(false);
  });

  it("is asked for when only its events are known", () => {
    const view = fromSnapshot({ sequence: 0, batches: [] });
    applyEvents(view, numbered({ sequence: 41, issue_number: 4, issue_finished: {} }));
    expect([...view.unknown]).toEqual([BATCH]);
    withRuns(view, answer(41, THREE_DONE));
    expect([view.unknown.size, statesIn(view)[0]]).toEqual([0, "succeeded"]);
  });

  it("shows the results of what ended before", () => {
    const ended = { issue_number: 1, pull_request_url: "https://example.test/pull/9", duration: "4.5s", review_score: 96 };
    const view = fromSnapshot({ sequence: 0, batches: [LISTED] });
    withRuns(view, { ...answer(40, THREE_DONE), results: [ended] });
    expect(view.batches.get(BATCH)?.issues.get(1)?.result).toMatchObject({ reviewScore: 96, seconds: 4.5 });
  });
});

describe("old data of GitHub", () => {
  const stale = { fetch_time: "2026-01-01T00:00:00Z", age: "720s", cause: "STALE_CAUSE_RATE_LIMITED" };
  const shown = { fetched: "2026-01-01T00:00:00Z", ageSeconds: 720, cause: "rate limited" };

  it("are marked from the first event on", () => {
    const view = emptyView();
    const batch = { name: BATCH, spec: { repository: "a/b", issue_numbers: [7] } };
    applyEvents(view, numbered({ batch_accepted: { batch, issues: [{ number: 7, stale_data: stale }] } }));
    expect(view.batches.get(BATCH)?.issues.get(7)?.stale).toEqual(shown);
  });

  it("are marked in a run that is read later, and fresh ones are not", () => {
    const view = emptyView();
    const runs = [{ issue_number: 1, stale_data: stale }, { issue_number: 2 }];
    withRuns(view, { batch: LISTED, runs });
    const issues = view.batches.get(BATCH)?.issues;
    expect([issues?.get(1)?.stale, issues?.get(2)?.stale]).toEqual([shown, undefined]);
  });
});

describe("a coordinator", () => {
  it("that is away is said to be, and what was known stays", () => {
    const before = fromSnapshot({ sequence: 9, batches: [LISTED], newest: answer(40, THREE_DONE) });
    const view = fromSnapshot({ sequence: 9, epoch: "e", coordinator: false, batches: [] }, before);
    expect([view.coordinator, view.batches.size]).toEqual([false, 1]);
  });

  it("that is back is asked for everything again", () => {
    const view = fromSnapshot({ sequence: 0, coordinator: false, batches: [] });
    expect(() => applyEvents(view, [{ sequence: 1, event: { coordinator: true } }])).toThrow(GapError);
  });
});

it("says where streamed text has a hole", () => {
  const view = emptyView();
  const delta = (byte_offset: number, text: string): Json => ({ issue_number: 7, task_id: "t", text_delta: { step: "s", byte_offset, text } });
  applyEvents(view, numbered(ACCEPTED, delta(0, "é"), delta(2, "b"), delta(9, "c")));
  expect(view.batches.get(BATCH)?.issues.get(7)?.speeches.get("t/s")?.text).toBe("éb … c");
});

it("counts streamed text as it came, and shows what cannot be seen in it", () => {
  const view = emptyView();
  const delta = (byte_offset: number, text: string): Json => ({ issue_number: 7, task_id: "t", text_delta: { step: "s", byte_offset, text } });
  applyEvents(view, numbered(ACCEPTED, delta(0, "a\u202e"), delta(4, "b"), delta(5, "x".repeat(30_000))));
  const words = view.batches.get(BATCH)?.issues.get(7)?.speeches.get("t/s")?.text ?? "";
  expect([words.length, words.slice(0, 3)]).toEqual([20_000, "… x"]);
  applyEvents(view, [{ sequence: 5, event: { batch: BATCH, ...delta(0, "a\u202e") } }, { sequence: 6, event: { batch: BATCH, ...delta(4, "b") } }]);
  expect(view.batches.get(BATCH)?.issues.get(7)?.speeches.get("t/s")?.text).toBe("a\\u{202e}b");
});

it("colours states by how they stand", () => {
  expect(["succeeded", "failed", "skipped", "leased", "pending"].map(tone)).toEqual(["good", "bad", "soft", "busy", "soft"]);
});

it("says when a step began and ended, and what it cost, and forgets what it was doing", () => {
  const view = emptyView();
  const at = (second: number, to: string, extra: Json = {}): Json => ({
    issue_number: 7,
    task_id: "triage",
    time: `2026-01-01T00:00:0${second}Z`,
    task_state_changed: { to_state: `TASK_STATE_${to}`, ...extra },
  });
  const doing: Json = { issue_number: 7, task_id: "triage", step_changed: { step: "reading" } };
  applyEvents(view, numbered(ACCEPTED, TASKS, at(1, "LEASED", { agent: "a-1" }), doing, at(4, "SUCCEEDED", { spent: { cost_usd_micros: "2000000" } })));
  const issue = view.batches.get(BATCH)?.issues.get(7);
  const [task] = issue?.tasks ?? [];
  expect([task?.state, task?.agent, (task?.end ?? 0) - (task?.start ?? 0), task?.costUsd, issue?.doing]).toEqual(["succeeded", "a-1", 3000, 2, ""]);
});
