/** What the page knows, as a pure function of what the server said: a snapshot, then numbered events. */

export interface Task {
  id: string;
  kind: string;
  state: string;
}

export interface Result {
  labels: string[];
  files: string[];
  testsFailedBefore: number;
  testsPassedAfter: number;
  reviewScore: number;
  pullRequestUrl: string;
  costUsd: number;
  seconds: number;
  failure: string;
}

export interface Issue {
  number: number;
  title: string;
  state: string;
  tasks: Task[];
  text: string;
  result: Result | undefined;
}

export interface Batch {
  name: string;
  repository: string;
  state: string;
  simulated: boolean;
  issues: Map<number, Issue>;
  total: number;
  done: number;
  failed: number;
  costUsd: number;
}

export interface Line {
  key: number;
  text: string;
}

export interface View {
  sequence: number;
  simulated: boolean;
  batches: Map<string, Batch>;
  timeline: Line[];
}

/** JSON as the server sends it; every field may be missing. */
export type Json = { [key: string]: unknown };

export interface Numbered {
  sequence: number;
  event: Json;
}

/** A gap in the sequence: the view cannot be trusted and has to be asked for anew. */
export class GapError extends Error {}

const TIMELINE_LINES = 200;
const TEXT_CHARACTERS = 20_000;
const USD_MICROS = 1_000_000;

export function emptyView(): View {
  return { sequence: 0, simulated: false, batches: new Map(), timeline: [] };
}

export function object(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

export function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

export function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** 64-bit integers arrive as strings. */
export function number(value: unknown): number {
  return typeof value === "number" ? value : typeof value === "string" && value !== "" ? Number(value) : 0;
}

/** `TASK_STATE_READY` becomes `ready`. */
export function plain(value: unknown, prefix: string): string {
  return text(value).replace(prefix, "").toLowerCase().replaceAll("_", " ");
}

/** A duration arrives as `4.5s`. */
export function seconds(value: unknown): number {
  return Number.parseFloat(text(value)) || 0;
}

function batchFrom(raw: Json): Batch {
  const spec = object(raw["spec"]);
  const counters = object(raw["counters"]);
  return {
    name: text(raw["name"]),
    repository: text(spec["repository"]),
    state: plain(raw["state"], "BATCH_STATE_"),
    simulated: raw["simulated"] === true,
    issues: new Map(
      list(spec["issue_numbers"]).map((entry) => [number(entry), newIssue(number(entry))]),
    ),
    total: number(counters["total"]) || list(spec["issue_numbers"]).length,
    done: number(counters["succeeded"]),
    failed: number(counters["failed"]) + number(counters["skipped"]) + number(counters["cancelled"]),
    costUsd: number(object(raw["spent"])["cost_usd_micros"]) / USD_MICROS,
  };
}

function newIssue(issue: number): Issue {
  return { number: issue, title: "", state: "pending", tasks: [], text: "", result: undefined };
}

/** Start over from a snapshot. */
export function fromSnapshot(raw: Json): View {
  const view = emptyView();
  view.sequence = number(raw["sequence"]);
  view.simulated = raw["simulated"] === true;
  for (const entry of list(raw["batches"])) {
    const batch = batchFrom(object(entry));
    view.batches.set(batch.name, batch);
  }
  return view;
}

/** Lay a batch with its runs (GET /api/batches/…) over what is known. */
export function withRuns(view: View, raw: Json): void {
  const batch = batchFrom(object(raw["batch"]));
  for (const entry of list(raw["runs"])) {
    const run = object(entry);
    const issue = newIssue(number(run["issue_number"]));
    issue.title = text(run["title"]);
    issue.state = plain(run["state"], "RUN_STATE_");
    issue.tasks = list(run["tasks"]).map((task) => taskFrom(object(task)));
    const known = view.batches.get(batch.name)?.issues.get(issue.number);
    issue.result = known?.result;
    issue.text = known?.text ?? "";
    batch.issues.set(issue.number, issue);
  }
  view.batches.set(batch.name, batch);
}

function taskFrom(raw: Json): Task {
  return {
    id: text(raw["name"]).split("/").at(-1) ?? "",
    kind: plain(raw["kind"], "TASK_KIND_"),
    state: plain(raw["state"], "TASK_STATE_"),
  };
}

/**
 * Lay events over the view, in place.
 *
 * @throws GapError when an event is missing; the caller asks for a snapshot.
 */
export function applyEvents(view: View, events: Numbered[]): void {
  for (const { sequence, event } of events) {
    if (sequence <= view.sequence) continue;
    if (sequence !== view.sequence + 1) throw new GapError(`${view.sequence} then ${sequence}`);
    view.sequence = sequence;
    applyEvent(view, event, sequence);
  }
}

function applyEvent(view: View, event: Json, key: number): void {
  const name = text(event["batch"]);
  if (!name) {
    note(view, key, `${text(event["agentId"])} ${text(event["eventType"])} #${number(event["issueNumber"])}`);
    return;
  }
  if ("batch_accepted" in event) accept(view, object(event["batch_accepted"]), key);
  const batch = view.batches.get(name);
  if (!batch) return;
  const issue = batch.issues.get(number(event["issue_number"]));
  if (issue) applyToIssue(view, batch, issue, event, key);
  if ("batch_state_changed" in event) {
    batch.state = plain(object(event["batch_state_changed"])["to_state"], "BATCH_STATE_");
  }
  if ("batch_finished" in event) {
    batch.state = plain(object(event["batch_finished"])["state"], "BATCH_STATE_");
    note(view, key, `${batch.repository}: ${batch.state}`);
  }
}

function accept(view: View, accepted: Json, key: number): void {
  const batch = batchFrom(object(accepted["batch"]));
  for (const entry of list(accepted["issues"])) {
    const heading = object(entry);
    const issue = newIssue(number(heading["number"]));
    issue.title = text(heading["title"]);
    batch.issues.set(issue.number, issue);
  }
  batch.total = batch.issues.size;
  view.batches = new Map([[batch.name, batch], ...view.batches]);
  note(view, key, `${batch.repository}: ${batch.total} issues accepted`);
}

function applyToIssue(view: View, batch: Batch, issue: Issue, event: Json, key: number): void {
  if ("tasks_added" in event) {
    for (const raw of list(object(event["tasks_added"])["tasks"])) {
      const task = taskFrom(object(raw));
      if (!issue.tasks.some((known) => known.id === task.id)) issue.tasks.push(task);
    }
  } else if ("task_state_changed" in event) {
    const state = plain(object(event["task_state_changed"])["to_state"], "TASK_STATE_");
    const task = issue.tasks.find((known) => known.id === text(event["task_id"]));
    if (task) task.state = state;
    note(view, key, `#${issue.number} ${text(event["task_id"])} ${state}`);
  } else if ("run_state_changed" in event) {
    issue.state = plain(object(event["run_state_changed"])["to_state"], "RUN_STATE_");
  } else if ("text_delta" in event) {
    issue.text = (issue.text + text(object(event["text_delta"])["text"])).slice(-TEXT_CHARACTERS);
  } else if ("issue_finished" in event) {
    finish(batch, issue, object(event["issue_finished"]));
    note(view, key, `#${issue.number} ${issue.state}`);
  }
}

function finish(batch: Batch, issue: Issue, raw: Json): void {
  issue.state = plain(raw["state"], "RUN_STATE_");
  issue.result = {
    labels: list(raw["labels"]).map(text),
    files: list(raw["files"]).map(text),
    testsFailedBefore: number(raw["tests_failed_before"]),
    testsPassedAfter: number(raw["tests_passed_after"]),
    reviewScore: number(raw["review_score"]),
    pullRequestUrl: text(raw["pull_request_url"]),
    costUsd: number(raw["cost_usd_micros"]) / USD_MICROS,
    seconds: seconds(raw["duration"]),
    failure: text(raw["failure_message"]),
  };
  batch.done = [...batch.issues.values()].filter((entry) => entry.state === "succeeded").length;
  batch.failed = [...batch.issues.values()].filter((entry) => isBad(entry.state)).length;
  batch.costUsd += issue.result.costUsd;
}

function note(view: View, key: number, line: string): void {
  view.timeline = [{ key, text: line }, ...view.timeline].slice(0, TIMELINE_LINES);
}

export function isBad(state: string): boolean {
  return state === "failed" || state === "skipped" || state === "cancelled";
}

/** The class that colours a state. */
export function tone(state: string): string {
  if (state === "succeeded") return "good";
  if (isBad(state)) return "bad";
  return state === "leased" || state === "running" || state === "backoff" ? "busy" : "soft";
}
