/** The language of the page: words, numbers, moments and spans of time. */

import { en, type Key } from "./en";

export type Words = Record<Key, string>;
export type Values = Record<string, string | number>;

/** Languages with their own names; each is a file of its own, fetched when it is chosen. */
export const LANGUAGES = { en: "English", ja: "日本語" } as const;
export type Language = keyof typeof LANGUAGES;

const KEPT = "miyabi-language";
let words = $state.raw<Words>(en);
let language = $state<Language>("en");

/** A sentence of the page, with `{name}` filled in. */
export function t(key: Key, values: Values = {}): string {
  return words[key].replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** The page's word for one of the server's, for example a state; the server's own where it is not known. */
export function word(group: string, value: string): string {
  return (words as Record<string, string>)[`${group}.${value}`] ?? value;
}

export function current(): Language {
  return language;
}

/** Show the page in a language, now and next time. */
export async function choose(wanted: Language): Promise<void> {
  words = wanted === "ja" ? (await import("./ja")).ja : en;
  language = wanted;
  document.documentElement.lang = wanted;
  localStorage.setItem(KEPT, wanted);
}

/** Show the language that was chosen last, else the browser's. */
export async function begin(): Promise<void> {
  const wanted = localStorage.getItem(KEPT) ?? navigator.language.slice(0, 2);
  if (wanted === "ja") await choose("ja").catch(() => undefined);
}

export function count(value: number): string {
  return value.toLocaleString(language);
}

/** Dollars: cents where they are many, more digits where they are few. */
export function money(usd: number): string {
  const digits = usd === 0 || usd >= 1 ? 2 : 4;
  return `$${usd.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
}

export function percent(share: number): string {
  return share.toLocaleString(language, { style: "percent", maximumFractionDigits: 0 });
}

/** A span for a person: `20 ms`, `4.5 s`, `12 min`, `3.0 h`. */
export function span(seconds: number): string {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 0.9995) return seconds < 0.0005 ? t("span.seconds", { n: 0 }) : t("span.milliseconds", { n: Math.round(1000 * seconds) });
  if (seconds < 90) return t("span.seconds", { n: seconds.toFixed(seconds < 10 ? 1 : 0) });
  if (seconds < 5400) return t("span.minutes", { n: seconds < 597 ? Number((seconds / 60).toFixed(1)) : Math.round(seconds / 60) });
  return seconds < 172_800
    ? t("span.hours", { n: (seconds / 3600).toFixed(1) })
    : t("span.days", { n: Math.round(seconds / 86_400) });
}

/** Time of day, with the date where it is not today. */
export function clock(milliseconds: number): string {
  if (!Number.isFinite(milliseconds)) return "–";
  const day = new Date(milliseconds);
  const isToday = day.toDateString() === new Date().toDateString();
  const time = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" } as const;
  return day.toLocaleString(language, isToday ? time : { ...time, month: "short", day: "numeric" });
}
