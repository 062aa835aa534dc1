/** The log of a batch, from its beginning, as far as it was read; goes on as the batch does. */

import { ApiError, get } from "../wire/http";
import { number, objects, type Json } from "../wire/json";

/** Events of one answer. */
const PAGE = 1000;
/** So many events are kept for the page; the export has all of them. */
export const MOST_EVENTS = 50_000;

let newest: History | undefined;

/** The log of a batch; that of the newest batch which was asked for is kept, so that parts of a page read it once. */
export function historyOf(batch: string): History {
  if (newest?.batch !== batch) newest = new History(batch);
  return newest;
}

export class History {
  events = $state.raw<Json[]>([]);
  problem = $state<ApiError | undefined>();
  loading = $state(false);
  /** Events that are not kept here, since there are too many. */
  dropped = $state(0);
  #last = 0;
  #busy = false;
  #wanted = 0;

  constructor(readonly batch: string) {}

  /** Read on up to an event of this sequence; what is asked for meanwhile is read afterwards. */
  async upTo(sequence: number): Promise<void> {
    this.#wanted = Math.max(this.#wanted, sequence);
    if (this.#busy) return;
    this.#busy = this.loading = true;
    try {
      while (this.#last < this.#wanted && (await this.#page())) this.problem = undefined;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.problem = error;
    } finally {
      this.#busy = this.loading = false;
    }
  }

  /** Read a page; false where there was nothing. */
  async #page(): Promise<boolean> {
    const answer = await get(`${this.batch}/events?after=${this.#last}&limit=${PAGE}`);
    const events = objects(answer["events"]).map((entry) => ("event" in entry ? (entry["event"] as Json) : entry));
    const newest = events.at(-1);
    if (!newest) return false;
    this.#last = Math.max(number(newest["sequence"]), this.#last);
    const all = [...this.events, ...events];
    this.dropped += Math.max(0, all.length - MOST_EVENTS);
    this.events = all.slice(-MOST_EVENTS);
    return true;
  }
}
