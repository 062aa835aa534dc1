/** What GitHub and the models still bear, out of the answer of /api/limits. */

import { moment, number, object, objects, text, type Json } from "../../wire/json";

/** The newest limit of one target that is not GitHub, and how often it was lowered since the target refused. */
export interface ModelLimit {
  target: string;
  limit: number;
  previous: number;
  reason: string;
  detail: string;
  at: number;
  refusals: number;
}

/** Limits of GitHub that say something: those that are switched off, or that nobody has heard of yet, do not. */
export function githubLimits(answer: Json): Json[] {
  const limits = objects(answer["limits"]).length ? objects(answer["limits"]) : objects(object(answer["github"])["limits"]);
  return limits.filter((limit) => number(limit["limit"]) > 0);
}

/** One line a target, from the steps that its limit took, whatever their order. */
export function modelLimits(answer: Json): ModelLimit[] {
  const steps = objects(answer["steps"]).length ? objects(answer["steps"]) : objects(object(answer["model"])["steps"]);
  const targets = new Map<string, ModelLimit>();
  for (const step of steps) {
    const target = text(step["target"]);
    const at = moment(step["time"]);
    if (!target || target.startsWith("github-query/") || text(step["agent"])) continue;
    const known = targets.get(target);
    const refusals = (known?.refusals ?? 0) + (text(step["reason"]) === "LIMIT_REASON_REFUSED" ? 1 : 0);
    const newest = { target, limit: number(step["limit"]), previous: number(step["previous"]), reason: text(step["reason"]), detail: text(step["detail"]), at };
    targets.set(target, { ...(known && known.at > at ? known : newest), refusals });
  }
  return [...targets.values()].sort((a, b) => a.target.localeCompare(b.target));
}
