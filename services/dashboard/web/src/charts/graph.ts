/** Lays a batch out as a graph: a row an issue, its steps from left to right by what they wait for; or issues alone, as tiles. */

import type { Issue, Task } from "../state/batch";

export interface Box {
  key: string;
  issue: number;
  x: number;
  y: number;
  label: string;
  state: string;
  agent: string;
  /** Seconds that it took, or has taken so far; undefined where it has not begun. */
  seconds: number | undefined;
}

export interface Edge {
  key: string;
  from: Box;
  to: Box;
}

/** A row of the drawing: what of it is out of sight need not be drawn. */
export interface Row {
  y: number;
  height: number;
  boxes: Box[];
  edges: Edge[];
}

export interface Layout {
  rows: Row[];
  /** Between issues. */
  edges: Edge[];
  width: number;
  height: number;
}

export const BOX = { width: 132, height: 38 } as const;
export const TILE = { width: 60, height: 26 } as const;
const STEP = { x: 160, y: 48 } as const;
const GAP = 4;
/** With more issues than this their steps are drawn only where one asks for them. */
export const MANY_ISSUES = 200;

/** How many steps lie before one, at most; what names itself or what is not there counts for nothing. */
export function levelsOf(tasks: Task[]): Map<string, number> {
  const known = new Map(tasks.map((task) => [task.id, task]));
  const levels = new Map<string, number>();
  function level(id: string, above: Set<string>): number {
    const found = levels.get(id);
    if (found !== undefined) return found;
    const before = (known.get(id)?.dependsOn ?? []).filter((other) => known.has(other) && !above.has(other));
    const value = Math.max(-1, ...before.map((other) => level(other, new Set([...above, other])))) + 1;
    levels.set(id, value);
    return value;
  }
  for (const task of tasks) level(task.id, new Set([task.id]));
  return levels;
}

/** Running issues first, each with its steps. */
export function layout(issues: Issue[], now: number): Layout {
  const rows: Row[] = [];
  let [y, width] = [0, 0];
  for (const issue of [...issues].sort((a, b) => rank(a) - rank(b))) {
    const root: Box = { key: `${issue.number}`, issue: issue.number, x: 0, y, label: `#${issue.number}`, state: issue.state, agent: "", seconds: issue.result?.seconds };
    const placed = place(issue, root, now);
    const boxes = [root, ...placed.values()];
    const end = Math.max(...boxes.map((box) => box.y)) + STEP.y;
    rows.push({ y, height: end - y, boxes, edges: wires(issue, root, placed) });
    width = Math.max(width, ...boxes.map((box) => box.x + BOX.width));
    y = end;
  }
  return { rows, edges: [], width, height: y };
}

/** Issues alone, as tiles in the order of the batch, with wires to those that they wait for. */
export function tiles(issues: Issue[], width: number): Layout {
  const across = Math.max(1, Math.floor((width + GAP) / (TILE.width + GAP)));
  const boxes = new Map<number, Box>();
  const rows: Row[] = [];
  issues.forEach((issue, index) => {
    const [x, y] = [(index % across) * (TILE.width + GAP), Math.floor(index / across) * (TILE.height + GAP)];
    const box: Box = { key: `${issue.number}`, issue: issue.number, x, y, label: `#${issue.number}`, state: issue.state, agent: "", seconds: issue.result?.seconds };
    boxes.set(issue.number, box);
    const row = rows.at(-1);
    if (row && row.y === y) row.boxes.push(box);
    else rows.push({ y, height: TILE.height + GAP, boxes: [box], edges: [] });
  });
  const edges = issues.flatMap((issue) =>
    issue.dependsOn.flatMap((other) => {
      const [from, to] = [boxes.get(other), boxes.get(issue.number)];
      return from && to ? [{ key: `${other}>${issue.number}`, from, to }] : [];
    }),
  );
  return { rows, edges, width: across * (TILE.width + GAP) - GAP, height: rows.length * (TILE.height + GAP) };
}

/** The rows that are in sight between two heights. */
export function rowsIn(rows: Row[], top: number, bottom: number): Row[] {
  return rows.filter((row) => row.y + row.height >= top && row.y <= bottom);
}

function rank(issue: Issue): number {
  return issue.state === "running" || issue.state === "awaiting approval" ? 0 : 1;
}

function place(issue: Issue, root: Box, now: number): Map<string, Box> {
  const levels = levelsOf(issue.tasks);
  const filled = new Map<number, number>();
  const placed = new Map<string, Box>();
  for (const task of issue.tasks) {
    const level = levels.get(task.id) ?? 0;
    const row = filled.get(level) ?? 0;
    filled.set(level, row + 1);
    const at = { x: (level + 1) * STEP.x, y: root.y + row * STEP.y };
    const box = { key: `${issue.number}/${task.id}`, issue: issue.number, ...at, label: task.id, state: task.state, agent: task.agent, seconds: took(task, now) };
    placed.set(task.id, box);
  }
  return placed;
}

function took(task: Task, now: number): number | undefined {
  const end = task.state === "leased" ? now : task.end;
  return end >= task.start ? (end - task.start) / 1000 : undefined;
}

function wires(issue: Issue, root: Box, placed: Map<string, Box>): Edge[] {
  return issue.tasks.flatMap((task) => {
    const to = placed.get(task.id);
    if (!to) return [];
    const before = task.dependsOn.map((id) => placed.get(id)).filter((box) => box !== undefined);
    return (before.length ? before : [root]).map((from) => ({ key: `${from.key}>${to.key}`, from, to }));
  });
}
