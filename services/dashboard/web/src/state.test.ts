import { describe, expect, it } from "vitest";
import { applyEvents, emptyView, fromSnapshot, GapError, tone, withRuns, type Json, type Numbered } from "./state";

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
    expect(view.batches.get(BATCH)?.issues.get(7)?.tasks).toEqual([{ id: "triage", kind: "triage", state: "leased" }]);
    expect(view.batches.get(BATCH)?.issues.get(8)?.tasks).toEqual([]);
  });

  it("count what ended, and what it cost", () => {
    const view = emptyView();
    const finished = {
      issue_number: 7,
      issue_finished: { state: "RUN_STATE_SUCCEEDED", cost_usd_micros: "12500", duration: "4.5s", review_score: 96 },
    };
    applyEvents(view, numbered(ACCEPTED, finished));
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
    expect(view.batches.get(BATCH)?.issues.get(7)?.text).toBe("x");
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

it("colours states by how they stand", () => {
  expect(["succeeded", "failed", "leased", "pending"].map(tone)).toEqual(["good", "bad", "busy", "soft"]);
});
