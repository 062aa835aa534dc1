/** Lays one event over its batch. */

import { dollars, link, list, moment, number, object, objects, plain, raw as asItCame, text, visible, type Json } from "../wire/json";
import { batchFrom, isBad, isEnded, newIssue, newTask, resultFrom, staleFrom, taskFrom, type Batch, type Issue } from "./batch";

/** So much of a text that is being written is kept: the end, which is what is read. */
const TEXT_CHARACTERS = 20_000;
/** Events that are newer than an answer which is under way; a page that is further behind asks anew. */
const RECENT_EVENTS = 500;

/** Return the batch that was accepted, as it was then. */
export function accepted(event: Json): Batch {
  const batch = batchFrom(object(event["batch"]));
  for (const heading of objects(event["issues"])) {
    const issue = newIssue(number(heading["number"]));
    issue.title = text(heading["title"]);
    issue.url = link(heading["url"]);
    issue.state = "pending";
    issue.stale = staleFrom(heading["stale_data"]);
    issue.dependsOn = list(heading["depends_on"]).map(number);
    issue.duplicateOf = number(heading["duplicate_of"]);
    batch.issues.set(issue.number, issue);
  }
  batch.total = batch.issues.size;
  batch.complete = true;
  batch.sequence = 0;
  return batch;
}

/** Lay one event over its batch; false where it was known already. */
export function applyToBatch(batch: Batch, event: Json): boolean {
  const sequence = number(event["sequence"]);
  if (sequence > 0) {
    if (sequence <= batch.sequence) return false;
    if (sequence > batch.sequence + 1) batch.complete = false;
    batch.sequence = sequence;
    batch.recent.push(event);
    if (batch.recent.length > 2 * RECENT_EVENTS) batch.recent = batch.recent.slice(-RECENT_EVENTS);
  }
  const known = batch.issues.get(number(event["issue_number"]));
  if (known) {
    const issue = { ...known };
    batch.issues.set(issue.number, issue);
    applyToIssue(batch, issue, event);
  }
  if ("batch_state_changed" in event) {
    batch.state = plain(object(event["batch_state_changed"])["to_state"], "BATCH_STATE_");
    if (batch.state === "running") batch.ended = NaN;
  }
  if ("batch_finished" in event) finishBatch(batch, event);
  return true;
}

function finishBatch(batch: Batch, event: Json): void {
  const finished = object(event["batch_finished"]);
  batch.state = plain(finished["state"], "BATCH_STATE_");
  batch.costUsd = dollars(object(finished["spent"])["cost_usd_micros"]);
  batch.ended = moment(event["time"]);
  batch.eta = undefined;
}

function applyToIssue(batch: Batch, issue: Issue, event: Json): void {
  if ("tasks_added" in event) {
    const added = objects(object(event["tasks_added"])["tasks"]).map(taskFrom);
    issue.tasks = [...issue.tasks, ...added.filter((task) => !issue.tasks.some((known) => known.id === task.id))];
  } else if ("task_state_changed" in event) {
    moveTask(batch, issue, event);
  } else if ("run_state_changed" in event) {
    moveRun(batch, issue, object(event["run_state_changed"]));
  } else if ("step_changed" in event) {
    issue.doing = doing(issue, text(event["task_id"]), text(object(event["step_changed"])["step"]));
  } else if ("run_ordered" in event) {
    issue.doing = text(object(event["run_ordered"])["message"]);
  } else if ("text_delta" in event || "text_recorded" in event) {
    speak(issue, event);
  } else if ("issue_finished" in event) {
    finishIssue(batch, issue, object(event["issue_finished"]));
  }
}

/** What passes by names its task and not its kind. */
function doing(issue: Issue, id: string, step: string): string {
  const task = issue.tasks.find((known) => known.id === id)?.kind || id;
  return [task, step].filter(Boolean).join(": ");
}

function finishIssue(batch: Batch, issue: Issue, finished: Json): void {
  issue.state = plain(finished["state"], "RUN_STATE_");
  issue.result = resultFrom(finished);
  issue.doing = "";
  if (!batch.complete) batch[isBad(issue.state) ? "failed" : "done"] += 1;
  recount(batch);
}

function moveRun(batch: Batch, issue: Issue, change: Json): void {
  issue.state = plain(change["to_state"], "RUN_STATE_");
  if (isEnded(issue.state)) issue.doing = "";
  if (issue.state === "pending") {
    // A retried run has ended no longer.
    issue.result = undefined;
    if (!batch.complete && isBad(plain(change["from_state"], "RUN_STATE_"))) batch.failed -= 1;
  }
  recount(batch);
}

/** Count runs by state; while some issues are untold the server's own counters stand. */
function recount(batch: Batch): void {
  if (!batch.complete) return;
  const count: Record<string, number> = {};
  let bad = 0;
  for (const { state } of batch.issues.values()) {
    count[state] = (count[state] ?? 0) + 1;
    if (isBad(state)) bad += 1;
  }
  batch.done = count["succeeded"] ?? 0;
  batch.failed = bad;
  batch.running = count["running"] ?? 0;
  batch.pending = count["pending"] ?? 0;
  batch.waiting = count["awaiting approval"] ?? 0;
}

function moveTask(batch: Batch, issue: Issue, event: Json): void {
  const change = object(event["task_state_changed"]);
  const id = text(event["task_id"]);
  const cost = dollars(object(change["spent"])["cost_usd_micros"]);
  // The first tasks of a run are its pipeline's: nobody adds them by an event.
  const known = issue.tasks.find((task) => task.id === id);
  const moved = { ...(known ?? newTask(id, plain(event["task_kind"], "TASK_KIND_"))) };
  moved.state = plain(change["to_state"], "TASK_STATE_");
  moved.agent = text(change["agent"]) || moved.agent;
  moved.attempt = number(event["attempt"]) || moved.attempt;
  moved.costUsd += cost;
  if (moved.state === "leased") [moved.start, moved.end] = [moment(event["time"]), NaN];
  else if (moved.state === "failed" || isEnded(moved.state)) moved.end = moment(event["time"]);
  issue.tasks = known ? issue.tasks.map((task) => (task === known ? moved : task)) : [...issue.tasks, moved];
  if (moved.state !== "leased" && issue.doing.startsWith(`${moved.kind || id}: `)) issue.doing = "";
  batch.costUsd += cost;
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
  issue.speeches = new Map(issue.speeches).set(key, {
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
