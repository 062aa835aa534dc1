import { describe, expect, it } from "vitest";
import { en } from "./en";
import { ja } from "./ja";

const SOURCES = import.meta.glob(["../**/*.{svelte,ts}", "!./en.ts", "!./ja.ts"], { query: "?raw", import: "default", eager: true });
const whole = Object.values(SOURCES as Record<string, string>).join("\n");
/** Groups whose keys are made of what the server says, or of a list in the source. */
const GROUPS = new Set([...whole.matchAll(/\b(?:word\("|t\(`)(\w+)(?:"|\.)/g)].map((found) => found[1] ?? ""));
const holes = (sentence: string): string[] => [...sentence.matchAll(/\{\w+\}/g)].map((found) => found[0]).sort();

describe("the languages of the page", () => {
  it("lack no key and no value, and leave none empty", () => {
    expect(Object.keys(ja).sort()).toEqual(Object.keys(en).sort());
    for (const [key, sentence] of Object.entries(en)) {
      expect(holes(ja[key as keyof typeof en]), key).toEqual(holes(sentence));
      expect([sentence.trim() === "", ja[key as keyof typeof en].trim() === ""], key).toEqual([false, false]);
    }
  });

  it("have no key that nothing uses", () => {
    const unused = Object.keys(en).filter((key) => !whole.includes(`"${key}"`) && !GROUPS.has(key.split(".")[0] ?? ""));
    expect(unused).toEqual([]);
  });

  it("are all that the pages say: no sentence stands in a page itself", () => {
    for (const [name, source] of Object.entries(SOURCES as Record<string, string>)) {
      if (!name.endsWith(".svelte")) continue;
      const markup = source.replace(/<script[\s\S]*?<\/script>|<style[\s\S]*?<\/style>|<!--[\s\S]*?-->|\{[^{}]*(\{[^{}]*(\{[^{}]*\}[^{}]*)*\}[^{}]*)*\}/g, "");
      const said = markup.replace(/<[^>]*>/g, "\n").match(/[A-Za-z]{3,}(?: [a-z]+)*/g) ?? [];
      expect(said.filter((words) => !["Miyabi", "GitHub", "nbsp"].includes(words)), name).toEqual([]);
    }
  });
});
