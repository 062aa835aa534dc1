/** Figures of a batch that are reckoned from what is known of it. */

import { isEnded, type Batch } from "./batch";

/** Seconds that a batch took, or has taken so far; NaN where its begin is not known. */
export function elapsed(batch: Batch, now: number): number {
  const end = isEnded(batch.state) && Number.isFinite(batch.ended) ? batch.ended : now;
  return Math.max(0, (end - batch.created) / 1000);
}

/** Issues that ended in an hour, at the pace so far; undefined where none has. */
export function perHour(batch: Batch, now: number): number | undefined {
  const [ended, seconds] = [batch.done + batch.failed, elapsed(batch, now)];
  return ended > 0 && seconds > 0 ? (3600 * ended) / seconds : undefined;
}

/** Share of the issues that ended which ended well; undefined where none ended. */
export function success(batch: Batch): number | undefined {
  const ended = batch.done + batch.failed;
  return ended > 0 ? batch.done / ended : undefined;
}

/** What went into each kind of step: dollars and seconds, of the steps that are known, those that run up to now; dearest first. */
export function byKind(batch: Batch, now: number): { kind: string; costUsd: number; seconds: number; steps: number }[] {
  const kinds = new Map<string, { kind: string; costUsd: number; seconds: number; steps: number }>();
  for (const issue of batch.issues.values()) {
    for (const task of issue.tasks) {
      const sum = kinds.get(task.kind) ?? { kind: task.kind, costUsd: 0, seconds: 0, steps: 0 };
      sum.costUsd += task.costUsd;
      const end = task.state === "leased" ? now : task.end;
      if (end >= task.start) sum.seconds += (end - task.start) / 1000;
      if (task.attempt > 0) sum.steps += 1;
      kinds.set(task.kind, sum);
    }
  }
  return [...kinds.values()].sort((a, b) => b.costUsd - a.costUsd || b.seconds - a.seconds);
}
