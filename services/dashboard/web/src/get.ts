/** Reads from the server; what goes wrong is an error with words for a person. */

import { object, text, type Json } from "./json";

/** @throws Error in the server's words, or that it did not answer. */
export async function get(path: string): Promise<Json> {
  let answer: Response;
  try {
    answer = await fetch(`/api/${path}`);
  } catch {
    throw new Error("The server does not answer.");
  }
  const body = object(await answer.json().catch(() => ({})));
  if (!answer.ok) throw new Error(text(body["error"]) || `The server answered ${answer.status}.`);
  return body;
}
