/** Which agent works on what, by what the batches say. */

import type { Batch, Task } from "./batch";

export interface Work {
  batch: string;
  issue: number;
  task: Task;
}

/** Tasks that are leased now, by the id of their agent, oldest first. */
export function tasksByAgent(batches: Batch[]): Map<string, Work[]> {
  const found = new Map<string, Work[]>();
  for (const batch of batches) {
    for (const issue of batch.issues.values()) {
      for (const task of issue.tasks) {
        if (task.state !== "leased" || !task.agent) continue;
        const works = found.get(task.agent) ?? [];
        works.push({ batch: batch.name, issue: issue.number, task });
        found.set(task.agent, works);
      }
    }
  }
  for (const works of found.values()) works.sort((a, b) => a.task.start - b.task.start);
  return found;
}
