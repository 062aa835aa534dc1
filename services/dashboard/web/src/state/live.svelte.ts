/** What the page knows now: the view that the server keeps up to date, and since when it does not. */

import { SvelteSet } from "svelte/reactivity";
import { ApiError, get } from "../wire/http";
import { connect, type Connection } from "../wire/connection";
import type { Batch, Issue } from "./batch";
import { emptyView, fromSnapshot, withRuns, type View } from "./state";

/** So often a batch that runs is asked for anew: only its server knows the time that is left. */
const REFRESH = 10_000;

class Live {
  /** A new object whenever something changed. */
  view = $state.raw<View>(emptyView());
  connected = $state(false);
  /** Whether the server was heard at all since the page was opened. */
  heard = $state(false);
  /** Since when what is shown is old, in milliseconds; 0: it is not. */
  oldSince = $state(0);
  /** Ticks each second, for spans that grow. */
  now = $state(Date.now());
  problem = $state<ApiError | undefined>();
  /** Names of batches that the server says it does not have. */
  readonly missing = new SvelteSet<string>();
  /** The batch that the page shows: it is kept complete. */
  wanted = "";

  #current: View = emptyView();
  #drawing = false;
  #connection: Connection | undefined;
  readonly #loading = new Set<string>();

  /** Batches, newest first; each another object when something of it changed. */
  readonly batches: Batch[] = $derived([...this.view.batches.values()].map((entry) => ({ ...entry })));

  batch(name: string): Batch | undefined {
    return name ? this.batches.find((entry) => entry.name === name) : this.batches[0];
  }

  start(): () => void {
    const ticking = setInterval(() => (this.now = Date.now()), 1000);
    const refreshing = setInterval(() => this.#refresh(), REFRESH);
    void this.#begin();
    const connection = connect({
      view: () => this.#current,
      changed: (next) => this.#take(next),
      connected: (yes) => {
        this.connected = yes;
        this.#mark();
      },
      refused: () => location.assign("/login"),
    });
    this.#connection = connection;
    connection.read(this.wanted);
    return () => {
      clearInterval(ticking);
      clearInterval(refreshing);
      connection.end();
    };
  }

  /** Show the list of batches, which is small, before the snapshot comes, which holds all runs of the newest. */
  async #begin(): Promise<void> {
    try {
      const answer = await get("batches");
      if (this.heard) return;
      this.#current = fromSnapshot(answer);
      this.#draw();
    } catch (error) {
      // The connection says what is wrong.
      if (!(error instanceof ApiError)) throw error;
    }
  }

  /** Ask for a batch with its runs. */
  async load(name: string): Promise<void> {
    if (this.#loading.has(name)) return;
    this.#loading.add(name);
    try {
      withRuns(this.#current, await get(name));
      this.problem = undefined;
      this.#draw();
    } catch (error) {
      this.#current.unknown.delete(name);
      if (error instanceof ApiError && error.status === 404) this.missing.add(name);
      if (error instanceof ApiError) this.problem = error;
      else throw error;
    } finally {
      this.#loading.delete(name);
    }
  }

  /** See to it that the batch on the page is complete. */
  want(name: string): void {
    this.wanted = name;
    this.#connection?.read(name);
    this.problem = undefined;
    if (name && !this.#current.batches.get(name)?.complete && !this.missing.has(name)) void this.load(name);
  }

  #take(next: View): void {
    this.#current = next;
    this.heard = true;
    this.#mark();
    const wanted = this.wanted || [...next.batches.keys()][0];
    if (wanted && !next.batches.get(wanted)?.complete && !this.missing.has(wanted)) void this.load(wanted);
    for (const name of next.unknown) void this.load(name);
    this.#draw();
  }

  #mark(): void {
    const isFresh = this.connected && this.#current.coordinator;
    if (isFresh) this.oldSince = 0;
    else this.oldSince ||= Date.now();
  }

  /** Draw at most once a frame, however many events come. */
  #draw(): void {
    if (this.#drawing) return;
    this.#drawing = true;
    const show = (): void => {
      this.#drawing = false;
      this.view = { ...this.#current };
    };
    // A page that nobody sees has no frames.
    if (document.hidden) setTimeout(show, 250);
    else requestAnimationFrame(show);
  }

  #refresh(): void {
    const shown = this.batch(this.wanted);
    if (this.connected && shown && (shown.state === "running" || shown.state === "paused")) void this.load(shown.name);
  }
}

export const live = new Live();

export function issuesOf(batch: Batch | undefined): Issue[] {
  return batch ? [...batch.issues.values()] : [];
}
