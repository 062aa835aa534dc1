import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { en } from "./en";
import { ja } from "./ja";

const SOURCES = import.meta.glob(["../**/*.{svelte,ts}", "!./en.ts", "!./ja.ts"], { query: "?raw", import: "default", eager: true });
const whole = Object.values(SOURCES as Record<string, string>).join("\n");
/** Groups whose keys are made of what the server says, or of a list in the source. */
const GROUPS = new Set([...whole.matchAll(/\b(?:word\("|t\(`)(\w+)(?:"|\.)/g)].map((found) => found[1] ?? ""));
/** Of which group of words the values of an enumeration are. */
const ENUMS = {
  BATCH_STATE_: "state", RUN_STATE_: "state", TASK_STATE_: "state", TASK_KIND_: "kind", PIPELINE_: "pipeline", FAILURE_REASON_: "reason", FINDING_SEVERITY_: "level",
  BOTTLENECK_LEVEL_: "level", BOTTLENECK_FAMILY_: "family", SEGMENT_KIND_: "segment", TEST_VERDICT_: "verdict", STALE_CAUSE_: "stale", LIMIT_REASON_: "limitReason",
  PROBLEM_KIND_: "obstacle",
};
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

  it("have a word for every value that the server may tell", () => {
    const root = new URL("../../../../../", import.meta.url);
    const protos = readdirSync(new URL("proto/miyabi/", root), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".proto"));
    const said = protos.map((name) => readFileSync(new URL(`proto/miyabi/${name}`, root), "utf8")).join("\n");
    const lacking = Object.entries(ENUMS).flatMap(([prefix, group]) => {
      const values = [...said.matchAll(new RegExp(`^ *${prefix}(\\w+) = [1-9]`, "gm"))].map((found) => (found[1] ?? "").toLowerCase().replaceAll("_", " "));
      expect(values.length, prefix).toBeGreaterThan(1);
      return values.map((value) => `${group}.${value}`);
    });
    const phases = readFileSync(new URL("services/dashboard/src/miyabi_dashboard/reads/spans.py", root), "utf8").matchAll(/SEGMENT_KIND_\w+: "(\w+)"/g);
    const keys = [...lacking, ...[...phases].map((found) => `phase.${found[1]}`)];
    expect(keys.filter((key) => !(key in en))).toEqual([]);
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
