/** Keeps a WebSocket open: resumes where it was, starts over where that cannot be. */

import { applyEvents, applyTexts, fromSnapshot, GapError, type Numbered, type View } from "../state/state";
import { object, objects, text } from "./json";
import { protoNames } from "./names";

const FIRST_DELAY = 300;
const LONGEST_DELAY = 5000;
/** So long nothing may come before the server is asked whether it is there: a broken wire says nothing by itself. */
const SILENCE = 15_000;
const ANSWER_WITHIN = 4000;

const BATCH = /^batches\/[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

export interface Listener {
  view(): View;
  changed(view: View): void;
  connected(yes: boolean): void;
  /** The server does not know us any more. */
  refused(): void;
}

export interface Connection {
  /** Read along what models write for a batch, `batches/ULID`, and for no other; empty: for none. */
  read(batch: string): void;
  end(): void;
}

/** Connect and stay connected. */
export function connect(listener: Listener): Connection {
  let reading = "";
  let delay = FIRST_DELAY;
  let closed = false;
  let heard = Date.now();
  let socket: WebSocket | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function open(resume: boolean): void {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const { epoch, sequence } = listener.view();
    const query = new URLSearchParams({
      ...(resume && epoch ? { after: String(sequence), epoch } : {}),
      ...(reading ? { texts: reading } : {}),
    });
    const mine = new WebSocket(`${scheme}://${location.host}/ws?${query}`);
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

  function tell(): void {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: "texts", batch: reading }));
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
    if (text(message["type"]) === "deltas") {
      applyTexts(listener.view(), objects(message["texts"]));
      listener.changed(listener.view());
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
  return {
    read(name) {
      // An address that somebody typed may name anything; the server closes on what is no name.
      const batch = BATCH.test(name) ? name : "";
      if (batch === reading) return;
      reading = batch;
      if (socket?.readyState === WebSocket.OPEN) tell();
      else socket?.addEventListener("open", tell, { once: true });
    },
    end() {
      closed = true;
      clearTimeout(timer);
      clearInterval(guard);
      window.removeEventListener("online", hurry);
      socket?.close();
    },
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
