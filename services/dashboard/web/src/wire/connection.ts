/** Keeps a WebSocket open: resumes where it was, starts over where that cannot be. */

import { applyEvents, fromSnapshot, GapError, type Numbered, type View } from "../state/state";
import { object, objects, text } from "./json";
import { protoNames } from "./names";

const FIRST_DELAY = 300;
const LONGEST_DELAY = 5000;
/** So long nothing may come before the server is asked whether it is there: a broken wire says nothing by itself. */
const SILENCE = 15_000;
const ANSWER_WITHIN = 4000;

export interface Listener {
  view(): View;
  changed(view: View): void;
  connected(yes: boolean): void;
  /** The server does not know us any more. */
  refused(): void;
}

/** Connect and stay connected; the result ends it. */
export function connect(listener: Listener): () => void {
  let delay = FIRST_DELAY;
  let closed = false;
  let heard = Date.now();
  let socket: WebSocket | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function open(resume: boolean): void {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const { epoch, sequence } = listener.view();
    const after = resume && epoch ? `?after=${sequence}&epoch=${encodeURIComponent(epoch)}` : "";
    const mine = new WebSocket(`${scheme}://${location.host}/ws${after}`);
    socket = mine;
    mine.onopen = () => {
      delay = FIRST_DELAY;
      heard = Date.now();
      listener.connected(true);
    };
    mine.onmessage = (message) => {
      heard = Date.now();
      take(String(message.data));
    };
    mine.onclose = () => {
      if (socket === mine) void again();
    };
  }

  async function again(): Promise<void> {
    socket = undefined;
    listener.connected(false);
    if (closed) return;
    timer = setTimeout(() => open(true), delay);
    delay = Math.min(delay * 2, LONGEST_DELAY);
    if (await isRefused()) listener.refused();
  }

  function take(data: string): void {
    const message = object(protoNames(JSON.parse(data)));
    if (text(message["type"]) === "snapshot") {
      listener.changed(fromSnapshot(message, listener.view()));
      return;
    }
    if (!("events" in message)) return;
    const view = listener.view();
    try {
      applyEvents(view, objects(message["events"]) as unknown as Numbered[]);
      listener.changed(view);
    } catch (error) {
      if (!(error instanceof GapError)) throw error;
      const old = socket;
      open(false);
      old?.close();
    }
  }

  async function watch(): Promise<void> {
    if (!socket || Date.now() - heard < SILENCE) return;
    const asked = socket;
    if (await answers()) heard = Date.now();
    else if (socket === asked) {
      void again();
      asked.close();
    }
  }

  const guard = setInterval(() => void watch(), SILENCE / 3);
  // Back from sleep or from a dead network: do not wait for the timer.
  const hurry = (): void => {
    if (socket || closed) return;
    clearTimeout(timer);
    open(true);
  };
  window.addEventListener("online", hurry);
  open(false);
  return () => {
    closed = true;
    clearTimeout(timer);
    clearInterval(guard);
    window.removeEventListener("online", hurry);
    socket?.close();
  };
}

async function answers(): Promise<boolean> {
  try {
    return (await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(ANSWER_WITHIN) })).ok;
  } catch {
    return false;
  }
}

/** Tell whether the server answers and sends us to its log-in form; a WebSocket does not say why it was refused. */
async function isRefused(): Promise<boolean> {
  try {
    const answer = await fetch("/", { redirect: "manual", cache: "no-store", headers: { accept: "text/html" } });
    return answer.type === "opaqueredirect" || answer.status === 401;
  } catch {
    return false;
  }
}
