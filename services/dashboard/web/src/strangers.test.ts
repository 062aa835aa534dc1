import { describe, expect, it } from "vitest";
import { link } from "./json";

const SOURCES = import.meta.glob("./**/*.{svelte,ts}", { query: "?raw", import: "default", eager: true });

describe("text of strangers on the page", () => {
  it("makes a link of web addresses only", () => {
    expect(link("https://github.com/a/b/pull/1")).toBe("https://github.com/a/b/pull/1");
    for (const bad of ["javascript:alert(1)", " https://x", "JAVASCRIPT://x", "data:text/html,x", "//x", "", 7, null]) {
      expect(link(bad)).toBe("");
    }
  });

  it("is never put in as HTML, and addresses of links are ours or went through link()", () => {
    const own = /^(`#\/|address$|link\(|issue\.url$|issue\.result\.pullRequestUrl$)/;
    for (const [name, source] of Object.entries(SOURCES as Record<string, string>)) {
      if (name.endsWith(".test.ts")) continue;
      expect(source, name).not.toMatch(/\{@html|innerHTML|outerHTML|insertAdjacentHTML|document\.write/);
      for (const [, target] of source.matchAll(/(?:href|src)=\{([^}]*)/g)) expect(target, name).toMatch(own);
    }
  });
});
