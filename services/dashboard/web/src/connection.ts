/** Keeps a WebSocket open: resumes where it was, starts over where that cannot be. */

import { object, objects, text } from "./json";
import { applyEvents, fromSnapshot, GapError, type Numbered, type View } from "./state";

const FIRST_DELAY = 300;
const LONGEST_DELAY = 10_000;

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
  let socket: WebSocket | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function open(resume: boolean): void {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const { epoch, sequence } = listener.view();
    const after = resume && epoch ? `?after=${sequence}&epoch=${encodeURIComponent(epoch)}` : "";
    socket = new WebSocket(`${scheme}://${location.host}/ws${after}`);
    socket.onopen = () => {
      delay = FIRST_DELAY;
      listener.connected(true);
    };
    socket.onmessage = (message) => take(String(message.data));
    socket.onclose = () => void again();
  }

  async function again(): Promise<void> {
    listener.connected(false);
    if (closed) return;
    timer = setTimeout(() => open(true), delay);
    delay = Math.min(delay * 2, LONGEST_DELAY);
    if (await isRefused()) listener.refused();
  }

  function take(data: string): void {
    const message = object(JSON.parse(data));
    if (text(message["type"]) === "snapshot") {
      listener.changed(fromSnapshot(message, listener.view()));
      return;
    }
    const view = listener.view();
    try {
      applyEvents(view, objects(message["events"]) as unknown as Numbered[]);
      listener.changed(view);
    } catch (error) {
      if (!(error instanceof GapError)) throw error;
      if (socket) socket.onclose = null;
      socket?.close();
      open(false);
    }
  }

  open(false);
  return () => {
    closed = true;
    clearTimeout(timer);
    socket?.close();
  };
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
