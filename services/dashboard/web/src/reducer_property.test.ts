/// <reference types="node" />
/** The page's reducer and the coordinator say the same of a batch, whatever happened to it: random logs of the real use cases. */

import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { Batch } from "./state/batch";
import { applyEvents, emptyView, fromSnapshot, type Numbered, type View } from "./state/state";
import { dollars, number, object, objects, plain, text, type Json } from "./wire/json";

/** Batches of each run; the seed goes on from day to day, so that every run sees others, and is said where one fails. */
const COUNT = 25;
const SEED = Number(process.env["MIYABI_SEED"] ?? Math.floor(Date.now() / 86_400_000) * COUNT);
/** Starting Python and letting so much happen. */
const TIMEOUT = 120_000;

interface Log {
  seed: number;
  events: Json[];
  answers: Json[];
}

function logs(): Log[] {
  const root = fileURLToPath(new URL("../../../..", import.meta.url));
  const script = `${root}/services/coordinator/tests/random_logs.py`;
  const options = { maxBuffer: 1 << 30, encoding: "utf8" } as const;
  const printed = execFileSync(`${root}/.venv/bin/python`, [script, String(SEED), String(COUNT)], options);
  return printed.trim().split("\n").map((line) => JSON.parse(line) as Log);
}

function sequenceOf(answer: Json): number {
  return number(object(answer["batch"])["last_sequence"]);
}

/** The hub's numbering, with what passes by between committed events. */
function numbered(events: Json[], first: number): Numbered[] {
  const passing = (event: Json): Json => ({
    batch: event["batch"], sequence: "0", issue_number: event["issue_number"], task_id: event["task_id"], step_changed: { step: "at work" },
  });
  return events.flatMap((event) => [event, passing(event)]).map((event, index) => ({ sequence: first + index, event }));
}

/** What a person sees of a batch: its state, each issue's, its tasks', and the counts. */
interface Seen {
  state: string;
  issues: Record<number, string>;
  tasks: Record<string, string>;
  counts: Record<string, number>;
}

function seen(batch: Batch): Seen {
  const issues = [...batch.issues.values()];
  const { done, failed, running, pending, waiting } = batch;
  return {
    state: batch.state,
    issues: Object.fromEntries(issues.map((issue) => [issue.number, issue.state])),
    tasks: Object.fromEntries(issues.flatMap((issue) => issue.tasks.map((task) => [`${issue.number}/${task.id}`, task.state]))),
    counts: { done, failed, running, pending, waiting },
  };
}

function said(answer: Json): Seen {
  const batch = object(answer["batch"]);
  const runs = objects(answer["runs"]);
  const counters = object(batch["counters"]);
  const bad = ["failed", "skipped", "cancelled"].map((name) => number(counters[name])).reduce((sum, count) => sum + count, 0);
  return {
    state: plain(batch["state"], "BATCH_STATE_"),
    issues: Object.fromEntries(runs.map((run) => [number(run["issue_number"]), plain(run["state"], "RUN_STATE_")])),
    tasks: Object.fromEntries(
      runs.flatMap((run) =>
        objects(run["tasks"]).map((task) => [
          `${number(run["issue_number"])}/${text(task["name"]).split("/").pop()}`,
          plain(task["state"], "TASK_STATE_"),
        ]),
      ),
    ),
    counts: {
      done: number(counters["succeeded"]), failed: bad, running: number(counters["running"]),
      pending: number(counters["pending"]), waiting: number(counters["awaiting_approval"]),
    },
  };
}

function shown(view: View): Batch {
  const [batch] = view.batches.values();
  if (!batch) throw new Error("no batch is shown");
  return batch;
}

/** States of a task that has not moved yet. */
const UNMOVED = new Set(["pending", "ready"]);

/** The first tasks of a run are its pipeline's, and no event names them before they move. */

function withoutUnmoved(tasks: Record<string, string>, known: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(tasks).filter(([name, state]) => name in known || !UNMOVED.has(state)));
}

describe("random logs of the coordinator", () => {
  const found = logs();

  it("are there, and something happened in them", () => {
    expect(found.length).toBe(COUNT);
    expect(found.reduce((sum, log) => sum + log.events.length, 0)).toBeGreaterThan(COUNT * 10);
  });

  it.each(found.map((log) => [log.seed, log] as const))(
    "replayed from the first event give what the coordinator says (seed %i)",
    (_, log) => {
      for (const answer of log.answers) {
        const view = emptyView();
        applyEvents(view, numbered(log.events.slice(0, sequenceOf(answer)), 1));
        const [page, server] = [seen(shown(view)), said(answer)];
        expect(page).toEqual({ ...server, tasks: withoutUnmoved(server.tasks, page.tasks) });
        expect(shown(view).costUsd).toBeCloseTo(dollars(object(object(answer["batch"])["spent"])["cost_usd_micros"]), 6);
        expect(shown(view).complete).toBe(true);
      }
    },
  );

  it.each(found.map((log) => [log.seed, log] as const))(
    "replayed behind any answer give what each later answer says (seed %i)",
    (_, log) => {
      log.answers.forEach((start, index) => {
        for (const end of log.answers.slice(index)) {
          const view = fromSnapshot({ sequence: 7, epoch: "e", batches: [object(start["batch"])], newest: start });
          // What was there already when the snapshot was made may come once more behind it.
          const overlap = Math.max(0, sequenceOf(start) - 3);
          applyEvents(view, numbered(log.events.slice(overlap, sequenceOf(end)), 8));
          expect(seen(shown(view))).toEqual(said(end));
        }
      });
    },
  );
}, TIMEOUT);
