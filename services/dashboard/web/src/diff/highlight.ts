/** Colours code by its language: pieces of text with a class each, never HTML. */

import bash from "highlight.js/lib/languages/bash";
import c from "highlight.js/lib/languages/c";
import cpp from "highlight.js/lib/languages/cpp";
import css from "highlight.js/lib/languages/css";
import go from "highlight.js/lib/languages/go";
import java from "highlight.js/lib/languages/java";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import markdown from "highlight.js/lib/languages/markdown";
import python from "highlight.js/lib/languages/python";
import ruby from "highlight.js/lib/languages/ruby";
import rust from "highlight.js/lib/languages/rust";
import sql from "highlight.js/lib/languages/sql";
import typescript from "highlight.js/lib/languages/typescript";
import xml from "highlight.js/lib/languages/xml";
import yaml from "highlight.js/lib/languages/yaml";
import { createLowlight } from "lowlight";

export interface Piece {
  text: string;
  /** Of the style; empty: plain. */
  kind: string;
}

const low = createLowlight({ bash, c, cpp, css, go, java, javascript, json, markdown, python, ruby, rust, sql, typescript, xml, yaml });
const ENDINGS: Record<string, string> = {
  bash: "bash", c: "c", cc: "cpp", cfg: "", cpp: "cpp", css: "css", cjs: "javascript", go: "go", h: "c", hpp: "cpp", htm: "xml", html: "xml",
  java: "java", js: "javascript", json: "json", jsx: "javascript", kt: "java", md: "markdown", mjs: "javascript", py: "python", pyi: "python",
  rb: "ruby", rs: "rust", sh: "bash", sql: "sql", svelte: "xml", svg: "xml", toml: "", ts: "typescript", tsx: "typescript", vue: "xml",
  xml: "xml", yaml: "yaml", yml: "yaml",
};
/** More code than this, or a longer line, is shown without colours: it would hold up the page. */
const MOST_CHARACTERS = 100_000;
const LONGEST_LINE = 2000;

export function languageOf(path: string): string {
  return ENDINGS[path.split(".").at(-1)?.toLowerCase() ?? ""] ?? "";
}

/** Colour lines that stand together; undefined where the language is not known, or it is too much. */
export function highlight(lines: string[], language: string): Piece[][] | undefined {
  const code = lines.join("\n");
  if (!language || code.length > MOST_CHARACTERS || lines.some((line) => line.length > LONGEST_LINE)) return undefined;
  const found: Piece[][] = [[]];
  walk(low.highlight(language, code).children, "", found);
  return found;
}

interface Node {
  type: string;
  value?: string;
  properties?: { className?: unknown };
  children?: unknown[];
}

function walk(nodes: unknown[], kind: string, found: Piece[][]): void {
  for (const node of nodes as Node[]) {
    if (node.type === "element") {
      const names = Array.isArray(node.properties?.className) ? node.properties.className : [];
      walk(node.children ?? [], String(names[0] ?? kind), found);
    } else {
      (node.value ?? "").split("\n").forEach((text, index) => {
        if (index) found.push([]);
        if (text) found.at(-1)?.push({ text, kind });
      });
    }
  }
}
