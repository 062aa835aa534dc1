/** Keeps a WebSocket open: resumes where it was, starts over where that cannot be. */

import { applyEvents, fromSnapshot, GapError, list, object, text, type Numbered, type View } from "./state";

const FIRST_DELAY = 300;
const LONGEST_DELAY = 10_000;

export interface Listener {
  view(): View;
  changed(view: View): void;
  connected(yes: boolean): void;
}

/** Connect and stay connected; the result ends it. */
export function connect(listener: Listener): () => void {
  let delay = FIRST_DELAY;
  let closed = false;
  let socket: WebSocket | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function open(resume: boolean): void {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const after = resume ? `?after=${listener.view().sequence}` : "";
    socket = new WebSocket(`${scheme}://${location.host}/ws${after}`);
    socket.onopen = () => {
      delay = FIRST_DELAY;
      listener.connected(true);
    };
    socket.onmessage = (message) => take(String(message.data));
    socket.onclose = () => {
      listener.connected(false);
      if (closed) return;
      timer = setTimeout(() => open(true), delay);
      delay = Math.min(delay * 2, LONGEST_DELAY);
    };
  }

  function take(data: string): void {
    const message = object(JSON.parse(data));
    if (text(message["type"]) === "snapshot") {
      listener.changed(fromSnapshot(message));
      return;
    }
    const view = listener.view();
    try {
      applyEvents(view, list(message["events"]) as Numbered[]);
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
