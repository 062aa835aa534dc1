/** What the form says, as the request that it makes. */

export interface Form {
  repository: string;
  by: "numbers" | "query";
  numbers: string;
  text: string;
  labels: string;
  state: "open" | "closed" | "all";
  limit: string;
  pipeline: "PIPELINE_FIX" | "PIPELINE_TRIAGE" | "PIPELINE_REVIEW";
  budget: string;
  issueBudget: string;
  concurrency: string;
  baseBranch: string;
  dryRun: boolean;
  requireApproval: boolean;
}

export const EMPTY: Form = {
  repository: "",
  by: "query",
  numbers: "",
  text: "",
  labels: "",
  state: "open",
  limit: "",
  pipeline: "PIPELINE_FIX",
  budget: "",
  issueBudget: "",
  concurrency: "",
  baseBranch: "",
  dryRun: false,
  requireApproval: false,
};

/** The field that keeps a form from being sent; undefined: none. */
export type Fault = "repository" | "numbers" | "limit" | "budget" | "issueBudget" | "concurrency" | "none" | undefined;

const MICROS = 1_000_000;

/** Issue numbers out of `1, 2 5-8`, each once; undefined where it is none of that, or too many. */
export function numbersIn(words: string): number[] | undefined {
  const found = new Set<number>();
  for (const piece of words.split(/[\s,;]+/).filter(Boolean)) {
    const match = /^#?([0-9]{1,9})(?:-#?([0-9]{1,9}))?$/.exec(piece);
    if (!match) return undefined;
    const [first, last] = [Number(match[1]), Number(match[2] ?? match[1])];
    if (first < 1 || last < first || last - first >= 10_000) return undefined;
    for (let number = first; number <= last; number += 1) found.add(number);
  }
  return found.size > 10_000 ? undefined : [...found];
}

function isNumber(words: string, least: number, most: number, whole: boolean): boolean {
  if (!words.trim()) return true;
  const value = Number(words);
  return Number.isFinite(value) && value >= least && value <= most && (!whole || Number.isInteger(value));
}

/** @param ticked issues that were chosen in the preview; undefined: there was none. */
export function faultOf(form: Form, ticked: number[] | undefined): Fault {
  if (!/^[A-Za-z0-9][A-Za-z0-9-]{0,38}\/[A-Za-z0-9._-]{1,100}$/.test(form.repository.trim())) return "repository";
  if (form.by === "numbers" && !numbersIn(form.numbers)?.length) return "numbers";
  if (form.by === "query" && ticked?.length === 0) return "none";
  if (!isNumber(form.limit, 1, 10_000, true)) return "limit";
  if (!isNumber(form.budget, 0.000001, 1e6, false)) return "budget";
  if (!isNumber(form.issueBudget, 0.000001, 1e6, false)) return "issueBudget";
  return isNumber(form.concurrency, 1, 1000, true) ? undefined : "concurrency";
}

/** The request; a field that was left empty is left out, so that the server's default holds. */
export function requestOf(form: Form, ticked: number[] | undefined, overrule: string[]): Record<string, unknown> {
  const request: Record<string, unknown> = { repository: form.repository.trim(), pipeline: form.pipeline };
  if (form.by === "numbers") request["issueNumbers"] = numbersIn(form.numbers);
  else if (ticked) request["issueNumbers"] = ticked;
  else request["query"] = queryOf(form);
  if (form.budget.trim()) request["budget"] = { usdMicros: String(Math.round(Number(form.budget) * MICROS)) };
  if (form.issueBudget.trim()) request["issueBudget"] = { usdMicros: String(Math.round(Number(form.issueBudget) * MICROS)) };
  if (form.concurrency.trim()) request["concurrency"] = Number(form.concurrency);
  if (form.baseBranch.trim()) request["baseBranch"] = form.baseBranch.trim();
  if (form.dryRun) request["dryRun"] = true;
  if (form.requireApproval) request["requireApproval"] = true;
  if (overrule.length) request["overrule"] = overrule;
  return request;
}

function queryOf(form: Form): Record<string, unknown> {
  const query: Record<string, unknown> = { state: `ISSUE_STATE_FILTER_${form.state.toUpperCase()}` };
  const labels = form.labels.split(",").map((label) => label.trim()).filter(Boolean);
  if (labels.length) query["labels"] = labels;
  if (form.text.trim()) query["text"] = form.text.trim();
  if (form.limit.trim()) query["limit"] = Number(form.limit);
  return query;
}

/** The address of the preview of what a query matches. */
export function previewOf(form: Form): string {
  const asked = new URLSearchParams({ repository: form.repository.trim(), state: form.state });
  if (form.text.trim()) asked.set("query", form.text.trim());
  if (form.labels.trim()) asked.set("labels", form.labels.trim());
  if (form.limit.trim()) asked.set("limit", String(Math.min(1000, Number(form.limit))));
  if (form.pipeline !== "PIPELINE_REVIEW") asked.set("pipeline", form.pipeline);
  return `preview?${asked.toString()}`;
}
