import { describe, expect, it } from "vitest";
import { link, text } from "./json";

const SOURCES = import.meta.glob("../**/*.{svelte,ts}", { query: "?raw", import: "default", eager: true });

describe("text of strangers on the page", () => {
  it("makes a link of web addresses only", () => {
    expect(link("https://github.com/a/b/pull/1")).toBe("https://github.com/a/b/pull/1");
    for (const bad of ["javascript:alert(1)", " https://x", "JAVASCRIPT://x", "data:text/html,x", "//x", "", 7, null]) {
      expect(link(bad)).toBe("");
    }
  });

  it("shows what cannot be seen, and turns no line around", () => {
    for (const char of ["\u001b", "\u0007", "\u0000", "\r", "\u009b", "\u202e", "\u2066", "\u200b", "\u200d", "\u00ad", "\ufeff", "\u2028", "\u{e0041}", "\ud800"]) {
      expect(text(`a${char}b`)).toBe(`a\\u{${(char.codePointAt(0) ?? 0).toString(16)}}b`);
    }
    for (const kept of ["日本語 [x]", "a\n\tb", "👩‍👧", "❤️", "app/[id]/page.tsx", "é", "　"]) expect(text(kept)).toBe(kept);
    expect(text("a\r\nb")).toBe("a\nb");
  });

  it("is never put in as HTML, and addresses of links are ours or went through link()", () => {
    const own = /^(`#\/|`\/api\/\$\{|address$|link\(|issue\.url$|result\.pullRequestUrl$)/;
    for (const [name, source] of Object.entries(SOURCES as Record<string, string>)) {
      if (name.endsWith(".test.ts")) continue;
      expect(source, name).not.toMatch(/\{@html|innerHTML|outerHTML|insertAdjacentHTML|document\.write/);
      for (const [, target] of source.matchAll(/(?:href|src)=\{([^}]*)/g)) expect(target, name).toMatch(own);
    }
  });
});
