/** What each step of an issue did with its tools, out of the log. */

import { number, object, seconds, text, type Json } from "../wire/json";

export interface ToolUse {
  tool: string;
  count: number;
  failed: number;
  seconds: number;
}

/** By the id of the step; the tool that took longest first. */
export function toolsOf(events: Json[], issue: number): Map<string, ToolUse[]> {
  const found = new Map<string, Map<string, ToolUse>>();
  for (const event of events) {
    if (!("tool_invocation" in event) || number(event["issue_number"]) !== issue) continue;
    const [task, what] = [text(event["task_id"]), object(event["tool_invocation"])];
    const tools = found.get(task) ?? new Map<string, ToolUse>();
    const tool = text(what["tool"]);
    const before = tools.get(tool) ?? { tool, count: 0, failed: 0, seconds: 0 };
    const failed = before.failed + (what["succeeded"] === true ? 0 : 1);
    tools.set(tool, { tool, count: before.count + 1, failed, seconds: before.seconds + (seconds(what["duration"]) || 0) });
    found.set(task, tools);
  }
  return new Map([...found].map(([task, tools]) => [task, [...tools.values()].sort((a, b) => b.seconds - a.seconds)]));
}
