/** Lays a batch out as a graph: a row an issue, its steps from left to right by what they wait for. */

import type { Issue, Task } from "./batch";

export interface Box {
  key: string;
  x: number;
  y: number;
  label: string;
  state: string;
  agent: string;
}

export interface Edge {
  key: string;
  from: Box;
  to: Box;
}

export interface Layout {
  boxes: Box[];
  edges: Edge[];
  width: number;
  height: number;
}

export const BOX = { width: 120, height: 34 } as const;
const STEP = { x: 150, y: 44 } as const;
const ISSUES_SHOWN = 50;

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

/** Running issues first; at most fifty. */
export function layout(issues: Issue[]): Layout {
  const shown = [...issues].sort((a, b) => rank(a) - rank(b)).slice(0, ISSUES_SHOWN);
  const boxes: Box[] = [];
  const edges: Edge[] = [];
  let y = 0;
  for (const issue of shown) {
    const root: Box = { key: `${issue.number}`, x: 0, y, label: `#${issue.number}`, state: issue.state, agent: "" };
    const placed = place(issue, root);
    boxes.push(root, ...placed.values());
    edges.push(...wires(issue, root, placed));
    y = Math.max(y, ...[...placed.values()].map((box) => box.y)) + STEP.y;
  }
  const width = Math.max(0, ...boxes.map((box) => box.x)) + BOX.width;
  return { boxes, edges, width, height: y };
}

function rank(issue: Issue): number {
  return issue.state === "running" || issue.state === "awaiting approval" ? 0 : 1;
}

function place(issue: Issue, root: Box): Map<string, Box> {
  const levels = levelsOf(issue.tasks);
  const filled = new Map<number, number>();
  const placed = new Map<string, Box>();
  for (const task of issue.tasks) {
    const level = levels.get(task.id) ?? 0;
    const row = filled.get(level) ?? 0;
    filled.set(level, row + 1);
    const agent = task.state === "leased" ? task.agent : "";
    const at = { x: (level + 1) * STEP.x, y: root.y + row * STEP.y };
    placed.set(task.id, { key: `${issue.number}/${task.id}`, ...at, label: task.id, state: task.state, agent });
  }
  return placed;
}

function wires(issue: Issue, root: Box, placed: Map<string, Box>): Edge[] {
  return issue.tasks.flatMap((task) => {
    const to = placed.get(task.id);
    if (!to) return [];
    const before = task.dependsOn.map((id) => placed.get(id)).filter((box) => box !== undefined);
    return (before.length ? before : [root]).map((from) => ({ key: `${from.key}>${to.key}`, from, to }));
  });
}
