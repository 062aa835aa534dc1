/** What the page knows, as a pure function of what the server said: a snapshot, then numbered events. */

import { number, object, objects, text, type Json } from "../wire/json";
import { accepted, applyToBatch } from "./apply";
import { batchFrom, batchWithRuns, type Batch } from "./batch";

/** An event to be shown in the list of what happened. */
export interface Line {
  key: string;
  event: Json;
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

/** So many of the newest events are kept for the list of what happened; the log has them all. */
export const TIMELINE_LINES = 200;

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

/** Lay what models are writing over the view, in place; it has no number, and is not sent again. */
export function applyTexts(view: View, texts: Json[]): void {
  for (const event of texts) {
    const batch = view.batches.get(text(event["batch"]));
    if (batch) applyToBatch(batch, event);
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
    if (text(event["event_type"])) note(view, key, event);
    return;
  }
  if ("batch_accepted" in event && !view.batches.has(name)) {
    const batch = accepted(object(event["batch_accepted"]));
    view.batches = new Map([[batch.name, batch], ...view.batches]);
  }
  const batch = view.batches.get(name);
  if (!batch) view.unknown.add(name);
  else if (applyToBatch(batch, event) && !isPassing(event)) note(view, key, event);
}

/** Whether an event is one of those that no log keeps. */
function isPassing(event: Json): boolean {
  return "text_delta" in event || "step_changed" in event;
}

function note(view: View, key: string, event: Json): void {
  view.timeline = [{ key, event }, ...view.timeline].slice(0, TIMELINE_LINES);
}
