/** A batch with its issues, as the server's snapshots and answers tell them. */

import { dollars, link, list, moment, number, object, objects, plain, seconds, text, type Json } from "../wire/json";

export interface Task {
  id: string;
  kind: string;
  state: string;
  agent: string;
  title: string;
  dependsOn: string[];
  attempt: number;
  fixRound: number;
  /** Milliseconds; NaN where it did not begin, or has not ended. */
  start: number;
  end: number;
  costUsd: number;
}

export interface Result {
  labels: string[];
  files: string[];
  testsFailedBefore: number;
  testsPassedAfter: number;
  reviewScore: number;
  /** There was a review, whatever came of it. */
  reviewed: boolean;
  pullRequestUrl: string;
  costUsd: number;
  seconds: number;
  failure: string;
}

/** Data of GitHub that were older than they should be when the batch was accepted. */
export interface Stale {
  fetched: string;
  ageSeconds: number;
  cause: string;
}

/** What a step of a task writes; `bytes` is its length as the server counts. */
export interface Speech {
  task: string;
  step: string;
  text: string;
  bytes: number;
}

/** Never changed in place: what has another state is another object, so that a page draws anew only what moved. */
export interface Issue {
  number: number;
  title: string;
  url: string;
  /** Empty while the server has not told. */
  state: string;
  tasks: Task[];
  speeches: Map<string, Speech>;
  doing: string;
  result: Result | undefined;
  stale: Stale | undefined;
  dependsOn: number[];
  /** The issue that is worked on in its place; 0: none. */
  duplicateOf: number;
}

export interface Batch {
  name: string;
  repository: string;
  state: string;
  pipeline: string;
  requester: string;
  simulated: boolean;
  dryRun: boolean;
  issues: Map<number, Issue>;
  total: number;
  running: number;
  pending: number;
  waiting: number;
  done: number;
  failed: number;
  costUsd: number;
  /** 0: no limit. */
  budgetUsd: number;
  concurrency: number;
  /** Milliseconds; NaN where it is not known, or has not ended. */
  created: number;
  ended: number;
  /** Seconds to the end; undefined where nothing was measured yet. */
  eta: number | undefined;
  /** Sequence of the newest committed event that this shows. */
  sequence: number;
  /** True where every issue is as the server told; false: ask for the runs. */
  complete: boolean;
  /** Newest committed events, to be laid over an answer that is older than they are. */
  recent: Json[];
}

export function newIssue(issue: number): Issue {
  return {
    number: issue,
    title: "",
    url: "",
    state: "",
    tasks: [],
    speeches: new Map(),
    doing: "",
    result: undefined,
    stale: undefined,
    dependsOn: [],
    duplicateOf: 0,
  };
}

export function newTask(id: string, kind: string): Task {
  const unknown = { state: "", agent: "", title: "", dependsOn: [], attempt: 0, fixRound: 0, costUsd: 0 };
  return { id, kind, ...unknown, start: NaN, end: NaN };
}

export function batchFrom(raw: Json): Batch {
  const spec = object(raw["spec"]);
  const counters = object(raw["counters"]);
  return {
    name: text(raw["name"]),
    repository: text(spec["repository"]),
    state: plain(raw["state"], "BATCH_STATE_"),
    pipeline: plain(spec["pipeline"], "PIPELINE_"),
    requester: text(spec["requester"]),
    simulated: raw["simulated"] === true,
    dryRun: spec["dry_run"] === true,
    issues: new Map(list(spec["issue_numbers"]).map((entry) => [number(entry), newIssue(number(entry))])),
    total: number(counters["total"]) || list(spec["issue_numbers"]).length,
    running: number(counters["running"]),
    pending: number(counters["pending"]),
    waiting: number(counters["awaiting_approval"]),
    done: number(counters["succeeded"]),
    failed: number(counters["failed"]) + number(counters["skipped"]) + number(counters["cancelled"]),
    costUsd: dollars(object(raw["spent"])["cost_usd_micros"]),
    budgetUsd: dollars(object(spec["budget"])["usd_micros"]),
    concurrency: number(spec["concurrency"]),
    created: moment(raw["create_time"]),
    ended: moment(raw["end_time"]),
    eta: "eta" in raw && raw["eta"] !== null ? seconds(raw["eta"]) : undefined,
    sequence: number(raw["last_sequence"]),
    complete: false,
    recent: [],
  };
}

/** Return a batch with its runs: an answer of GET /api/batches/… or the part of a snapshot that has its form. */
export function batchWithRuns(raw: Json, known: Batch | undefined): Batch {
  const batch = batchFrom(object(raw["batch"]));
  for (const run of objects(raw["runs"])) {
    const issue = newIssue(number(run["issue_number"]));
    issue.title = text(run["title"]);
    issue.url = link(run["url"]);
    issue.state = plain(run["state"], "RUN_STATE_");
    issue.tasks = objects(run["tasks"]).map(taskFrom);
    issue.stale = staleFrom(run["stale_data"]);
    issue.dependsOn = list(run["depends_on"]).map(number);
    issue.duplicateOf = number(run["duplicate_of"]);
    const before = known?.issues.get(issue.number);
    issue.speeches = before?.speeches ?? issue.speeches;
    issue.doing = isEnded(issue.state) ? "" : (before?.doing ?? "");
    batch.issues.set(issue.number, issue);
  }
  for (const result of objects(raw["results"])) {
    const issue = batch.issues.get(number(result["issue_number"]));
    if (issue) issue.result = resultFrom(result);
  }
  batch.complete = true;
  return batch;
}

export function taskFrom(raw: Json): Task {
  return {
    id: text(raw["name"]).split("/").at(-1) ?? "",
    kind: plain(raw["kind"], "TASK_KIND_"),
    state: plain(raw["state"], "TASK_STATE_"),
    agent: text(raw["agent"]),
    title: text(raw["title"]),
    dependsOn: list(raw["depends_on"]).map(text),
    attempt: number(raw["attempt"]),
    fixRound: number(raw["fix_round"]),
    start: moment(raw["start_time"]),
    end: moment(raw["end_time"]),
    costUsd: dollars(object(raw["spent"])["cost_usd_micros"]),
  };
}

export function resultFrom(raw: Json): Result {
  return {
    labels: list(raw["labels"]).map(text),
    files: list(raw["files"]).map(text),
    testsFailedBefore: number(raw["tests_failed_before"]),
    testsPassedAfter: number(raw["tests_passed_after"]),
    reviewScore: number(raw["review_score"]),
    reviewed: raw["reviewed"] === true,
    pullRequestUrl: link(raw["pull_request_url"]),
    costUsd: dollars(raw["cost_usd_micros"]),
    seconds: seconds(raw["duration"]),
    failure: text(raw["failure_message"]),
  };
}

export function staleFrom(value: unknown): Stale | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const raw = object(value);
  return {
    fetched: text(raw["fetch_time"]),
    ageSeconds: seconds(raw["age"]),
    cause: plain(raw["cause"], "STALE_CAUSE_"),
  };
}

export function isBad(state: string): boolean {
  return state === "failed" || state === "skipped" || state === "cancelled";
}

export function isEnded(state: string): boolean {
  return state === "succeeded" || isBad(state);
}

/** The class that colours a state. */
export function tone(state: string): string {
  if (state === "succeeded") return "good";
  // What was skipped is not what failed.
  if (state === "skipped") return "soft";
  if (isBad(state)) return "bad";
  return ["leased", "running", "backoff", "paused", "awaiting approval"].includes(state) ? "busy" : "soft";
}
