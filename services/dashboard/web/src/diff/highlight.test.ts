import { describe, expect, it } from "vitest";
import { highlight, languageOf } from "./highlight";

describe("colours of code", () => {
  it("leave every character where it was, line by line", () => {
    const lines = ['def f(x):', '    """Two', '    lines."""', "", "    return x + 1  # <b>"];
    const pieces = highlight(lines, languageOf("a/b.PY"));
    expect(pieces?.map((line) => line.map((piece) => piece.text).join(""))).toEqual(lines);
    expect(pieces?.[0]?.[0]).toEqual({ text: "def", kind: "hljs-keyword" });
    expect(pieces?.[2]?.[0]?.kind).toBe("hljs-string");
  });

  it("are left out where the language is not known, or it is too much", () => {
    expect(highlight(["x"], languageOf("LICENSE"))).toBeUndefined();
    expect(highlight(["x".repeat(3000)], "python")).toBeUndefined();
    expect(highlight(Array.from({ length: 2000 }, () => "x".repeat(100)), "python")).toBeUndefined();
  });
});
