/** What the page knows, as a pure function of what the server said: a snapshot, then numbered events. */

import {
  batchFrom,
  batchWithRuns,
  isBad,
  newIssue,
  resultFrom,
  staleFrom,
  taskFrom,
  type Batch,
  type Issue,
  type Task,
} from "./batch";
import { dollars, link, number, object, objects, plain, raw as asItCame, text, visible, type Json } from "./json";

export interface Line {
  key: string;
  text: string;
}

export interface View {
  /** Of the server's numbering; with `epoch` it says where to resume. */
  sequence: number;
  /** Which numbering; empty before the first snapshot. */
  epoch: string;
  simulated: boolean;
  /** Whether the server reaches the coordinator: without it nothing moves. */
  coordinator: boolean;
  batches: Map<string, Batch>;
  /** Batches that events named and nobody has told of. */
  unknown: Set<string>;
  timeline: Line[];
}

export interface Numbered {
  sequence: number;
  event: Json;
}

/** What is known is not all: the view has to be asked for anew. */
export class GapError extends Error {}

export const TIMELINE_LINES = 200;
const TEXT_CHARACTERS = 20_000;
const RECENT_EVENTS = 500;

export function emptyView(): View {
  return {
    sequence: 0,
    epoch: "",
    simulated: false,
    coordinator: true,
    batches: new Map(),
    unknown: new Set(),
    timeline: [],
  };
}

/** Start over from a snapshot; what was seen of texts and events stays. */
export function fromSnapshot(raw: Json, before: View = emptyView()): View {
  const view = { ...emptyView(), timeline: before.timeline };
  view.sequence = number(raw["sequence"]);
  view.epoch = text(raw["epoch"]);
  view.simulated = raw["simulated"] === true;
  view.coordinator = raw["coordinator"] !== false;
  for (const entry of objects(raw["batches"])) {
    const batch = batchFrom(entry);
    view.batches.set(batch.name, batch);
  }
  if (!view.coordinator) view.batches = before.batches;
  if ("newest" in raw) withRuns(view, object(raw["newest"]), before.batches);
  return view;
}

/** Lay a batch with its runs (GET /api/batches/…) over what is known; events that are newer than it stay in force. */
export function withRuns(view: View, raw: Json, known: Map<string, Batch> = view.batches): void {
  const name = text(object(raw["batch"])["name"]);
  const before = view.batches.get(name);
  const batch = batchWithRuns(raw, known.get(name) ?? before);
  const newer = (before?.recent ?? []).filter((event) => number(event["sequence"]) > batch.sequence);
  if (before) view.batches.set(name, batch);
  else view.batches = newestFirst([[name, batch], ...view.batches]);
  view.unknown.delete(name);
  for (const event of newer) applyToBatch(batch, event);
}

/** Names hold ULIDs, which grow with time. */
function newestFirst(batches: [string, Batch][]): Map<string, Batch> {
  return new Map(batches.sort(([a], [b]) => (a < b ? 1 : -1)));
}

/**
 * Lay events over the view, in place.
 *
 * @throws GapError when an event is missing, or the coordinator is back after it was away.
 */
export function applyEvents(view: View, events: Numbered[]): void {
  for (const { sequence, event } of events) {
    if (sequence <= view.sequence) continue;
    if (sequence !== view.sequence + 1) throw new GapError(`${view.sequence} then ${sequence}`);
    view.sequence = sequence;
    applyEvent(view, event, `${view.epoch}-${sequence}`);
  }
}

function applyEvent(view: View, event: Json, key: string): void {
  if ("coordinator" in event) {
    const back = event["coordinator"] === true && !view.coordinator;
    view.coordinator = event["coordinator"] === true;
    if (back) throw new GapError("the coordinator is back");
    return;
  }
  const name = text(event["batch"]);
  if (!name) {
    note(view, key, `${text(event["agentId"])} ${text(event["eventType"])} #${number(event["issueNumber"])}`);
    return;
  }
  if ("batch_accepted" in event) accept(view, object(event["batch_accepted"]));
  const batch = view.batches.get(name);
  if (!batch) view.unknown.add(name);
  else if (applyToBatch(batch, event)) tell(view, batch, event, key);
}

function accept(view: View, accepted: Json): void {
  const batch = batchFrom(object(accepted["batch"]));
  if (view.batches.has(batch.name)) return;
  for (const heading of objects(accepted["issues"])) {
    const issue = newIssue(number(heading["number"]));
    issue.title = text(heading["title"]);
    issue.url = link(heading["url"]);
    issue.state = "pending";
    issue.stale = staleFrom(heading["stale_data"]);
    const original = number(heading["duplicate_of"]);
    if (original) issue.doing = `asks for the same as #${original}, which is worked on`;
    batch.issues.set(issue.number, issue);
  }
  batch.total = batch.issues.size;
  batch.complete = true;
  batch.sequence = 0;
  view.batches = new Map([[batch.name, batch], ...view.batches]);
}

/** Lay one event over its batch; false where it was known already. */
function applyToBatch(batch: Batch, event: Json): boolean {
  const sequence = number(event["sequence"]);
  if (sequence > 0) {
    if (sequence <= batch.sequence) return false;
    if (sequence > batch.sequence + 1) batch.complete = false;
    batch.sequence = sequence;
    batch.recent = [...batch.recent, event].slice(-RECENT_EVENTS);
  }
  const issue = batch.issues.get(number(event["issue_number"]));
  if (issue) applyToIssue(batch, issue, event);
  if ("batch_state_changed" in event) {
    batch.state = plain(object(event["batch_state_changed"])["to_state"], "BATCH_STATE_");
  }
  if ("batch_finished" in event) finishBatch(batch, object(event["batch_finished"]));
  return true;
}

function finishBatch(batch: Batch, finished: Json): void {
  batch.state = plain(finished["state"], "BATCH_STATE_");
  batch.costUsd = dollars(object(finished["spent"])["cost_usd_micros"]);
  batch.eta = undefined;
}

function applyToIssue(batch: Batch, issue: Issue, event: Json): void {
  if ("tasks_added" in event) {
    for (const raw of objects(object(event["tasks_added"])["tasks"])) {
      const task = taskFrom(raw);
      if (!issue.tasks.some((known) => known.id === task.id)) issue.tasks.push(task);
    }
  } else if ("task_state_changed" in event) {
    moveTask(batch, issue, event);
  } else if ("run_state_changed" in event) {
    moveRun(batch, issue, object(event["run_state_changed"]));
  } else if ("step_changed" in event) {
    // What passes by names its task and not its kind.
    const id = text(event["task_id"]);
    const task = issue.tasks.find((known) => known.id === id)?.kind || id;
    issue.doing = [task, text(object(event["step_changed"])["step"])].filter(Boolean).join(": ");
  } else if ("run_ordered" in event) {
    issue.doing = text(object(event["run_ordered"])["message"]);
  } else if ("text_delta" in event || "text_recorded" in event) {
    speak(issue, event);
  } else if ("issue_finished" in event) {
    issue.state = plain(object(event["issue_finished"])["state"], "RUN_STATE_");
    issue.result = resultFrom(object(event["issue_finished"]));
    issue.doing = "";
    if (!batch.complete) batch[isBad(issue.state) ? "failed" : "done"] += 1;
    recount(batch);
  }
}

function moveRun(batch: Batch, issue: Issue, change: Json): void {
  issue.state = plain(change["to_state"], "RUN_STATE_");
  if (issue.state === "pending") {
    // A retried run has ended no longer.
    issue.result = undefined;
    if (!batch.complete && isBad(plain(change["from_state"], "RUN_STATE_"))) batch.failed -= 1;
  }
  recount(batch);
}

/** Count what ended; while some issues are untold the server's own counters stand. */
function recount(batch: Batch): void {
  if (!batch.complete) return;
  const issues = [...batch.issues.values()];
  batch.done = issues.filter((issue) => issue.state === "succeeded").length;
  batch.failed = issues.filter((issue) => isBad(issue.state)).length;
}

function moveTask(batch: Batch, issue: Issue, event: Json): void {
  const change = object(event["task_state_changed"]);
  const id = text(event["task_id"]);
  // The first tasks of a run are its pipeline's: nobody adds them by an event.
  const known = issue.tasks.find((task) => task.id === id) ?? newTask(id, plain(event["task_kind"], "TASK_KIND_"));
  // A task that moved is another object: a page that has drawn the one before draws it anew.
  const moved = { ...known, state: plain(change["to_state"], "TASK_STATE_"), agent: text(change["agent"]) };
  const others = issue.tasks.filter((task) => task.id !== id);
  issue.tasks = others.length < issue.tasks.length ? issue.tasks.map((task) => (task.id === id ? moved : task)) : [...others, moved];
  batch.costUsd += dollars(object(change["spent"])["cost_usd_micros"]);
}

function newTask(id: string, kind: string): Task {
  return { id, kind, state: "", agent: "", title: "", dependsOn: [] };
}

function speak(issue: Issue, event: Json): void {
  const whole = "text_recorded" in event;
  const raw = object(whole ? event["text_recorded"] : event["text_delta"]);
  const key = `${text(event["task_id"])}/${text(raw["step"])}`;
  const known = issue.speeches.get(key);
  const piece = asItCame(raw["text"]);
  const offset = number(raw["byte_offset"]);
  const starts = whole || !known || offset === 0;
  // Pieces are dropped for a slow reader: what is missing is shown as missing.
  const hole = starts ? (offset > 0 ? "… " : "") : offset === known.bytes ? "" : " … ";
  issue.speeches.set(key, {
    task: text(event["task_id"]),
    step: text(raw["step"]),
    text: endOf((starts ? "" : known.text) + hole + visible(piece)),
    bytes: (whole ? 0 : offset) + new TextEncoder().encode(piece).length,
  });
}

/** Keep the end of what is written, behind a mark where its begin is gone. */
function endOf(words: string): string {
  return words.length <= TEXT_CHARACTERS ? words : `… ${words.slice(2 - TEXT_CHARACTERS)}`;
}

function tell(view: View, batch: Batch, event: Json, key: string): void {
  const issue = `#${number(event["issue_number"])}`;
  if ("batch_accepted" in event) note(view, key, `${batch.repository}: ${batch.total} issues accepted`);
  else if ("batch_finished" in event) note(view, key, `${batch.repository}: ${batch.state}`);
  else if ("issue_finished" in event) {
    note(view, key, `${issue} ${plain(object(event["issue_finished"])["state"], "RUN_STATE_")}`);
  } else if ("run_ordered" in event) {
    note(view, key, `${issue} ${text(object(event["run_ordered"])["message"])}`);
  } else if ("task_state_changed" in event) {
    const change = object(event["task_state_changed"]);
    const words = [issue, text(event["task_id"]), plain(change["to_state"], "TASK_STATE_"), text(change["message"])];
    note(view, key, words.filter(Boolean).join(" "));
  }
}

function note(view: View, key: string, line: string): void {
  view.timeline = [{ key, text: line }, ...view.timeline].slice(0, TIMELINE_LINES);
}
