/** The answer of a batch's timeline, as bars on one scale. */

import { moment, number, object, objects, text, type Json } from "../wire/json";

export interface Span {
  task: string;
  kind: string;
  phase: string;
  state: string;
  agent: string;
  attempt: number;
  fixRound: number;
  critical: boolean;
  start: number;
  end: number;
}

export interface Lane {
  issue: number;
  title: string;
  spans: Span[];
  critical: boolean;
}

export interface Timeline {
  start: number;
  end: number;
  lanes: Lane[];
  criticalSeconds: number;
}

/** Moments come as text, or as seconds since 1970. */
function at(value: unknown): number {
  return typeof value === "number" ? value * 1000 : moment(value);
}

export function timelineFrom(answer: Json): Timeline {
  const now = at(answer["now"]);
  const lanes = objects(answer["rows"]).map((row) => {
    const spans = objects(row["spans"]).map((raw) => spanFrom(raw, now));
    return { issue: number(row["issue_number"]), title: text(row["title"]), spans, critical: spans.some((span) => span.critical) };
  });
  let [start, end] = [at(answer["start"]), at(answer["end"]) || now];
  for (const lane of lanes) {
    for (const span of lane.spans) {
      if (!(start <= span.start)) start = span.start;
      if (!(end >= span.end)) end = span.end;
    }
  }
  return { start, end: Math.max(end, start + 1000), lanes, criticalSeconds: number(answer["critical_path_seconds"]) };
}

function spanFrom(raw: Json, now: number): Span {
  const start = at(raw["start"]);
  const isOpen = !at(raw["end"]);
  return {
    task: text(raw["task_id"]),
    kind: text(raw["kind"]).replace("TASK_KIND_", "").toLowerCase().replaceAll("_", " "),
    phase: text(raw["phase"]),
    // Work that goes on has no state yet.
    state: text(raw["state"]).replace(/^[A-Z]+_STATE_/, "").toLowerCase().replaceAll("_", " ") || (isOpen && text(raw["phase"]) === "work" ? "leased" : ""),
    agent: text(raw["agent"]),
    attempt: number(raw["attempt"]),
    fixRound: number(raw["fix_round"]),
    critical: raw["critical"] === true,
    start,
    end: Math.max(start, at(raw["end"]) || now || start),
  };
}

/** Round seconds between two marks of a scale. */
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400];

/** Marks of a scale of so many seconds, at most `most` of them. */
export function marks(seconds: number, most: number): number[] {
  const step = STEPS.find((one) => seconds / one <= most) ?? Math.ceil(seconds / most / 86_400) * 86_400;
  return Array.from({ length: Math.floor(seconds / step) + 1 }, (_, index) => index * step);
}

export interface Part {
  left: number;
  width: number;
}

/** Where a span lies, in shares of the whole. */
export function place(span: Span, whole: Timeline): Part {
  const length = whole.end - whole.start;
  return { left: (span.start - whole.start) / length, width: (span.end - span.start) / length };
}

export function isEmpty(answer: Json): boolean {
  return objects(object(answer)["rows"]).every((row) => objects(row["spans"]).length === 0);
}
