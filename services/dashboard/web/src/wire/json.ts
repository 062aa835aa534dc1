/** Reads the server's JSON: every field may be missing, 64-bit integers are strings, durations are `4.5s`. */

export type Json = { [key: string]: unknown };

const USD_MICROS = 1_000_000;

export function object(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

export function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

export function objects(value: unknown): Json[] {
  return list(value).map(object);
}

/** A text as the page shows it: nothing in it is unseen, or moves what stands beside it. */
export function text(value: unknown): string {
  return visible(raw(value));
}

/** A text as it came, to be counted and never to be shown. */
export function raw(value: unknown): string {
  return typeof value === "string" ? value : "";
}

// Control characters but line feeds and tabs, directions, characters of no width, fillers, tags; of joiners those that join no emoji.
const UNSEEN =
  /(?![\n\t])\p{Cc}|(?!\u200d)\p{Cf}|[\u2028\u2029\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe00-\ufe0e]|[\u{e0100}-\u{e01ef}]|\p{Cs}|(?<![\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f])\u200d|\u200d(?!\p{Extended_Pictographic})/gu;

/** Spell out what cannot be seen, so that two names never look alike and no direction turns a line around. */
export function visible(words: string): string {
  return words.replaceAll("\r\n", "\n").replace(UNSEEN, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
}

/** The end of a text, after a line that says how many characters before it are not there. */
export function ending(words: string, most: number): string {
  if (words.length <= most) return words;
  return `… ${(words.length - most).toLocaleString("en")} characters before this are not shown\n${words.slice(-most)}`;
}

/** An address that a link may lead to: whatever is no web address, `javascript:` among them, is none. */
export function link(value: unknown): string {
  const address = text(value);
  return /^https?:\/\/[^\s]+$/.test(address) ? address : "";
}

/** 64-bit integers arrive as strings. */
export function number(value: unknown): number {
  return typeof value === "number" ? value : typeof value === "string" && value !== "" ? Number(value) : 0;
}

/** `TASK_STATE_READY` becomes `ready`. */
export function plain(value: unknown, prefix: string): string {
  return text(value).replace(prefix, "").toLowerCase().replaceAll("_", " ");
}

/** A duration arrives as `4.5s`. */
export function seconds(value: unknown): number {
  return Number.parseFloat(text(value)) || 0;
}

/** Millionths of a dollar, as dollars. */
export function dollars(value: unknown): number {
  return number(value) / USD_MICROS;
}

/** A moment as milliseconds; NaN where there is none. */
export function moment(value: unknown): number {
  return Date.parse(text(value));
}
