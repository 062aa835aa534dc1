import { describe, expect, it } from "vitest";
import { batchFrom, newIssue, newTask } from "./batch";
import { byKind, elapsed, perHour, success } from "./figures";

const BATCH = batchFrom({
  name: "batches/X",
  state: "BATCH_STATE_RUNNING",
  create_time: "2026-01-01T00:00:00Z",
  counters: { total: 10, succeeded: 3, failed: 1 },
});
const AN_HOUR_LATER = Date.parse("2026-01-01T01:00:00Z");

describe("figures of a batch", () => {
  it("grow while it runs, and stand when it has ended", () => {
    expect([elapsed(BATCH, AN_HOUR_LATER), perHour(BATCH, AN_HOUR_LATER), success(BATCH)]).toEqual([3600, 4, 0.75]);
    const ended = { ...BATCH, state: "failed", ended: Date.parse("2026-01-01T00:30:00Z") };
    expect([elapsed(ended, AN_HOUR_LATER), perHour(ended, AN_HOUR_LATER)]).toEqual([1800, 8]);
  });

  it("are not made up where nothing has ended", () => {
    const begun = { ...BATCH, done: 0, failed: 0 };
    expect([perHour(begun, AN_HOUR_LATER), success(begun)]).toEqual([undefined, undefined]);
  });

  it("tell what each kind of step cost and took, dearest first", () => {
    const issue = newIssue(1);
    const step = (kind: string, costUsd: number, end: number) => ({ ...newTask(kind, kind), costUsd, start: 0, end, attempt: 1 });
    issue.tasks = [step("triage", 0.1, 1000), step("implement", 0.5, 9000), { ...newTask("verify", "verify") }, { ...step("plan", 0, NaN), state: "leased", start: 2000 }];
    expect(byKind({ ...BATCH, issues: new Map([[1, issue]]) }, 12_000)).toEqual([
      { kind: "implement", costUsd: 0.5, seconds: 9, steps: 1 },
      { kind: "triage", costUsd: 0.1, seconds: 1, steps: 1 },
      { kind: "plan", costUsd: 0, seconds: 10, steps: 1 },
      { kind: "verify", costUsd: 0, seconds: 0, steps: 0 },
    ]);
  });
});
