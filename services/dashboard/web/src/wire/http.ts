/** Asks the server, and tells it what to do; what goes wrong is an error with words for a person. */

import { number, object, objects, text, type Json } from "./json";
import { protoNames } from "./names";

/** A request is given up after this, so that a server that hangs is seen to. */
const TIMEOUT = 30_000;

/** One thing that stands in the way of a batch. */
export interface Problem {
  kind: string;
  issue: number;
  message: string;
  remedy: string;
  mayBeOverruled: boolean;
}

/** What the server refused, and why. `status` 0: it did not answer. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly problems: Problem[] = [],
    readonly retryAfter = 0,
  ) {
    super(message);
  }
}

/** @throws ApiError in the server's words, or that it did not answer. */
export async function get(path: string): Promise<Json> {
  return object(protoNames(await ask(path, {})));
}

/** As `get`, with the names of fields left as they came: what strangers wrote is shown as they wrote it. */
export async function getAsItCame(path: string): Promise<Json> {
  return object(await ask(path, {}));
}

/** @throws ApiError in the server's words, or that it did not answer. */
export async function post(path: string, body: unknown): Promise<Json> {
  const headers = { "content-type": "application/json" };
  return object(protoNames(await ask(path, { method: "POST", headers, body: JSON.stringify(body) })));
}

async function ask(path: string, options: RequestInit): Promise<unknown> {
  let answer: Response;
  try {
    answer = await fetch(`/api/${path}`, { ...options, signal: AbortSignal.timeout(TIMEOUT) });
  } catch {
    throw new ApiError("", 0);
  }
  const body: unknown = await answer.json().catch(() => ({}));
  if (!answer.ok) throw refusal(answer, object(protoNames(body)));
  return body;
}

function refusal(answer: Response, body: Json): ApiError {
  const fields = objects(body["validation_errors"]).map((one) => `${text(one["field"])} ${text(one["message"])}`);
  const message = [text(body["error"]) || `HTTP ${answer.status}`, ...fields].join(": ");
  const problems = objects(body["problems"]).map((one) => ({
    kind: text(one["kind"]),
    issue: number(one["issue_number"]),
    message: text(one["message"]),
    remedy: text(one["remedy"]),
    mayBeOverruled: one["may_be_overruled"] === true,
  }));
  return new ApiError(message, answer.status, problems, Number(answer.headers.get("retry-after") ?? 0));
}
