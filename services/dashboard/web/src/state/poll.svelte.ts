/** Asks again and again for what has no events of its own, as long as somebody looks. */

import { ApiError } from "../wire/http";
import type { Json } from "../wire/json";

/** Keeps the newest answer, and what went wrong with the newest question. */
export class Poll {
  answer = $state.raw<Json | undefined>();
  problem = $state<ApiError | undefined>();
  /** When the answer came, in milliseconds. */
  at = $state(0);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  #asked = 0;

  constructor(
    readonly ask: () => Promise<Json>,
    readonly pause: number,
  ) {}

  /** Ask now, and then after each pause; the result ends it. For use in an effect. */
  run(): () => void {
    this.#closed = false;
    void this.look();
    return () => {
      this.#closed = true;
      this.#asked += 1;
      clearTimeout(this.#timer);
    };
  }

  async look(): Promise<void> {
    clearTimeout(this.#timer);
    const mine = ++this.#asked;
    try {
      const answer = await this.ask();
      if (mine !== this.#asked) return;
      [this.answer, this.problem, this.at] = [answer, undefined, Date.now()];
    } catch (error) {
      if (mine !== this.#asked) return;
      if (!(error instanceof ApiError)) throw error;
      this.problem = error;
    }
    if (!this.#closed) this.#timer = setTimeout(() => void this.look(), document.hidden ? 5 * this.pause : this.pause);
  }
}
