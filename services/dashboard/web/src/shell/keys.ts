/** Keys that do something anywhere on the page; single letters can be switched off. */

const KEPT = "miyabi-keys";
/** So long the second letter of two may take. */
const SECOND_WITHIN = 1200;

/** What `g` and a letter lead to. */
export const PLACES: Record<string, string> = {
  o: "#/",
  a: "#/agents",
  p: "#/performance",
  e: "#/events",
  s: "#/submit",
};
/** Tabs of the batch that is shown. */
export const TAB_KEYS: Record<string, number> = { "1": 0, "2": 1, "3": 2, "4": 3, "5": 4 };

export interface Answers {
  help(): void;
  go(address: string): void;
  tab(index: number): void;
  up(): void;
  move(by: number): void;
  search(): void;
}

export function keysAreOn(): boolean {
  return localStorage.getItem(KEPT) !== "off";
}

export function switchKeys(on: boolean): void {
  localStorage.setItem(KEPT, on ? "on" : "off");
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

/** Listen; the result ends it. */
export function listen(answers: Answers): () => void {
  let begun = -Infinity;
  function pressed(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "?") {
      event.preventDefault();
      return answers.help();
    }
    if (!keysAreOn()) return;
    const isSecond = event.timeStamp - begun < SECOND_WITHIN;
    begun = -Infinity;
    if (isSecond && PLACES[event.key]) return answers.go(PLACES[event.key] ?? "");
    if (event.key === "g") begun = event.timeStamp;
    else if (event.key in TAB_KEYS) answers.tab(TAB_KEYS[event.key] ?? 0);
    else if (event.key === "u") answers.up();
    else if (event.key === "j" || event.key === "k") answers.move(event.key === "j" ? 1 : -1);
    else if (event.key === "/") answers.search();
    else return;
    event.preventDefault();
  }
  window.addEventListener("keydown", pressed);
  return () => window.removeEventListener("keydown", pressed);
}

/** Move the focus to the next or previous line of the list on the page. */
export function moveFocus(by: number): void {
  const lines = [...document.querySelectorAll<HTMLElement>("[data-line]")];
  if (!lines.length) return;
  const at = lines.findIndex((line) => line === document.activeElement);
  const next = lines[at < 0 ? (by > 0 ? 0 : lines.length - 1) : Math.min(lines.length - 1, Math.max(0, at + by))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}
