/** What an event says, in a line for a person. */

import { money, span, t, word, type Values } from "../i18n/locale.svelte";
import type { Key } from "../i18n/en";
import { dollars, list, number, object, objects, plain, seconds, text, type Json } from "../wire/json";

/** Events of the log, by the name of what they carry. */
export const TYPES = [
  "batch_accepted", "batch_state_changed", "run_state_changed", "task_state_changed", "tasks_added", "triage_recorded",
  "plan_recorded", "change_recorded", "verification_recorded", "review_recorded", "documentation_recorded",
  "pull_request_recorded", "tool_invocation", "issue_finished", "batch_finished", "budget_warning", "text_recorded",
  "approval_resolved", "run_ordered", "unrecognised",
] as const;

export interface Said {
  type: string;
  issue: number;
  task: string;
  text: string;
  tone: "good" | "bad" | "busy" | "";
}

export function typeOf(event: Json): string {
  return TYPES.find((type) => type in event) ?? (text(event["event_type"]) || "unrecognised");
}

export function describe(event: Json): Said {
  const type = typeOf(event);
  const what = object(event[type]);
  const said = (WORDS[type] ?? fromOutside)(what, event);
  return { type, issue: number(event["issue_number"]), task: text(event["task_id"]), ...said };
}

type Words = (what: Json, event: Json) => Pick<Said, "text" | "tone">;

function say(key: Key, values: Values = {}, tone: Said["tone"] = ""): Pick<Said, "text" | "tone"> {
  return { text: t(key, values), tone };
}

function moved(prefix: string): Words {
  return (what) => {
    const state = plain(what["to_state"] ?? what["state"], prefix);
    const words = [word("state", state), text(what["agent"]), text(what["message"]) || text(what["reason"]) || text(what["failure_message"])];
    return { text: words.filter(Boolean).join(" · "), tone: state === "succeeded" ? "good" : state === "failed" ? "bad" : "" };
  };
}

function passed(what: Json): Said["tone"] {
  return what["passed"] === true ? "good" : "bad";
}

/** A review without a verdict has no score, and none is shown. */
function reviewed(what: Json): Pick<Said, "text" | "tone"> {
  if (what["not_analysed"] === true) return say("review.notAnalysed");
  if (what["incomplete"] === true) return say("review.incomplete", {}, "bad");
  return say("said.review", { score: number(what["score"]), n: objects(what["findings"]).length }, passed(what));
}

function fromOutside(_what: Json, event: Json): Pick<Said, "text" | "tone"> {
  return { text: [text(event["agent_id"]), text(event["event_type"]), text(event["message"])].filter(Boolean).join(" · "), tone: "" };
}

const WORDS: Record<string, Words> = {
  batch_accepted: (what) => say("said.accepted", { n: objects(what["issues"]).length }),
  batch_state_changed: moved("BATCH_STATE_"),
  run_state_changed: moved("RUN_STATE_"),
  task_state_changed: moved("TASK_STATE_"),
  tasks_added: (what) => say("said.tasks", { names: objects(what["tasks"]).map((task) => text(task["name"]).split("/").at(-1)).join(", ") }),
  triage_recorded: (what) => say("said.triage", { labels: list(what["labels"]).map(text).join(", ") }),
  plan_recorded: (what) => say("said.plan", { n: objects(what["tasks"]).length }),
  change_recorded: (what) => say("said.change", { files: list(what["files"]).length, plus: number(what["additions"]), minus: number(what["deletions"]) }),
  verification_recorded: (what) => say("said.tests", { failed: number(what["failed_before"]), passed: number(what["passed_after"]), broken: number(what["broken"]) }, passed(what)),
  review_recorded: reviewed,
  documentation_recorded: (what) => ({ text: text(what["summary"]), tone: "" }),
  pull_request_recorded: (what) => ({ text: what["dry_run"] === true ? t("issue.dryRun") : text(what["url"]), tone: "good" }),
  tool_invocation: (what) => ({
    text: [text(what["tool"]), span(seconds(what["duration"])), text(what["model"]), text(what["error"]) || text(what["detail"])].filter(Boolean).join(" · "),
    tone: what["succeeded"] === true ? "" : "bad",
  }),
  issue_finished: moved("RUN_STATE_"),
  batch_finished: (what) => say("said.finished", { state: word("state", plain(what["state"], "BATCH_STATE_")), cost: money(dollars(object(what["spent"])["cost_usd_micros"])), span: span(seconds(what["duration"])) }),
  budget_warning: (what) => say("said.budget", { scope: text(what["scope"]), cost: money(dollars(object(what["spent"])["cost_usd_micros"])) }, "busy"),
  text_recorded: (what) => ({ text: [text(what["step"]), text(what["text"]).slice(0, 300)].join(": "), tone: "" }),
  approval_resolved: (what) => say(what["approved"] === true ? "said.approved" : "said.declined", { comment: text(what["comment"]) }, what["approved"] === true ? "good" : "bad"),
  run_ordered: (what) => ({ text: text(what["message"]), tone: "" }),
  unrecognised: (what) => ({ text: text(what["what"]), tone: "" }),
};
