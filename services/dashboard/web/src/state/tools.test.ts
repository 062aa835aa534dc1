import { expect, it } from "vitest";
import { toolsOf } from "./tools";

const used = (task: string, tool: string, duration: string, succeeded = true, issue = 7) => ({ issue_number: issue, task_id: task, tool_invocation: { tool, duration, succeeded } });

it("adds up what each step of an issue did with each tool, longest first", () => {
  const events = [used("plan", "localise", "2s"), used("plan", "model", "1s"), used("plan", "model", "3s", false), used("triage", "model", "1s"), used("plan", "model", "9s", true, 8), { issue_number: 7, task_id: "plan", text_recorded: {} }];
  expect([...toolsOf(events, 7)]).toEqual([
    ["plan", [{ tool: "model", count: 2, failed: 1, seconds: 4 }, { tool: "localise", count: 1, failed: 0, seconds: 2 }]],
    ["triage", [{ tool: "model", count: 1, failed: 0, seconds: 1 }]],
  ]);
});
