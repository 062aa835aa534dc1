import { describe, expect, it } from "vitest";
import { marks, place, timelineFrom } from "./timeline";

const ANSWER = {
  start: "2026-01-01T00:00:00Z",
  now: "2026-01-01T00:00:20Z",
  critical_path_seconds: 18,
  rows: [
    {
      issue_number: 7,
      title: "Broken",
      spans: [
        { task_id: "triage", kind: "TASK_KIND_TRIAGE", phase: "work", start: "2026-01-01T00:00:05Z", end: "2026-01-01T00:00:10Z", critical: true },
        { task_id: "plan", kind: "plan", phase: "work", start: "2026-01-01T00:00:10Z" },
      ],
    },
    { issue_number: 8, title: "Missing", spans: [] },
  ],
};

describe("a timeline", () => {
  it("has a lane an issue, and what has not ended ends now", () => {
    const whole = timelineFrom(ANSWER);
    expect(whole.lanes.map((lane) => [lane.issue, lane.critical, lane.spans.length])).toEqual([[7, true, 2], [8, false, 0]]);
    expect(whole.lanes[0]?.spans.map((span) => [span.kind, span.state])).toEqual([["triage", ""], ["plan", "leased"]]);
    expect(whole.lanes[0]?.spans.map((span) => place(span, whole))).toEqual([{ left: 0.25, width: 0.25 }, { left: 0.5, width: 0.5 }]);
  });

  it("has round marks, never too many", () => {
    expect(marks(20, 10)).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20]);
    for (const seconds of [1, 59, 3601, 100_000, 10_000_000]) expect(marks(seconds, 8).length).toBeLessThanOrEqual(9);
  });
});
