/** A unified diff as files with rows that stand side by side. */

export interface Side {
  line: number;
  text: string;
}

export interface Row {
  kind: "same" | "changed" | "hunk" | "note";
  left: Side | undefined;
  right: Side | undefined;
  /** Of a hunk: where it is; of a note: what git says. */
  text: string;
}

export interface DiffFile {
  path: string;
  oldPath: string;
  kind: "edited" | "added" | "deleted" | "renamed" | "binary";
  plus: number;
  minus: number;
  rows: Row[];
}

/** git writes names with unusual characters in quotes. */
function nameOf(words: string): string {
  const name = words.replace(/\t.*$/, "").replace(/^"(.*)"$/, "$1");
  return name === "/dev/null" ? "" : name.replace(/^[ab]\//, "");
}

function newFile(header: string): DiffFile {
  const match = /^diff --git "?a\/(.*?)"? "?b\/(.*?)"?$/.exec(header);
  return { path: match?.[2] ?? "", oldPath: match?.[1] ?? "", kind: "edited", plus: 0, minus: 0, rows: [] };
}

class Parser {
  readonly files: DiffFile[] = [];
  #file: DiffFile | undefined;
  #old = 0;
  #new = 0;
  #oldLeft = 0;
  #newLeft = 0;
  #minus: Side[] = [];
  #plus: Side[] = [];

  take(line: string): void {
    if (this.#oldLeft > 0 || this.#newLeft > 0) return this.#inHunk(line);
    if (line.startsWith("\\")) return;
    this.flush();
    if (line.startsWith("diff --git ")) this.files.push((this.#file = newFile(line)));
    else if (line.startsWith("@@")) this.#beginHunk(line);
    else this.#header(line);
  }

  /** What was removed stands beside what was added, line by line. */
  flush(): void {
    for (let index = 0; index < Math.max(this.#minus.length, this.#plus.length); index += 1) {
      this.#file?.rows.push({ kind: "changed", left: this.#minus[index], right: this.#plus[index], text: "" });
    }
    [this.#minus, this.#plus] = [[], []];
  }

  #header(line: string): void {
    const file = this.#file;
    if (line.startsWith("--- ") && (!file || file.rows.length)) this.files.push((this.#file = newFile("")));
    const open = this.#file;
    if (!open) return;
    if (line.startsWith("--- ")) open.oldPath = nameOf(line.slice(4)) || open.oldPath;
    else if (line.startsWith("+++ ")) open.path = nameOf(line.slice(4)) || open.path || open.oldPath;
    else if (line.startsWith("new file")) open.kind = "added";
    else if (line.startsWith("deleted file")) open.kind = "deleted";
    else if (line.startsWith("rename ")) open.kind = "renamed";
    else if (line.startsWith("Binary files") || line.startsWith("GIT binary patch")) open.kind = "binary";
    else if (/^(old mode|new mode|similarity)/.test(line)) open.rows.push({ kind: "note", left: undefined, right: undefined, text: line });
  }

  #beginHunk(line: string): void {
    const match = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/.exec(line);
    if (!match || !this.#file) return;
    [this.#old, this.#new] = [Number(match[1]), Number(match[3])];
    [this.#oldLeft, this.#newLeft] = [Number(match[2] ?? 1), Number(match[4] ?? 1)];
    this.#file.rows.push({ kind: "hunk", left: undefined, right: undefined, text: line });
  }

  #inHunk(line: string): void {
    const file = this.#file;
    if (!file || line.startsWith("\\")) return;
    const text = line.slice(1);
    if (line.startsWith("+")) {
      this.#plus.push({ line: this.#new++, text });
      this.#newLeft -= 1;
      file.plus += 1;
    } else if (line.startsWith("-")) {
      // What follows what was added is another change.
      if (this.#plus.length) this.flush();
      this.#minus.push({ line: this.#old++, text });
      this.#oldLeft -= 1;
      file.minus += 1;
    } else {
      this.flush();
      file.rows.push({ kind: "same", left: { line: this.#old++, text }, right: { line: this.#new++, text }, text: "" });
      this.#oldLeft -= 1;
      this.#newLeft -= 1;
    }
    if (this.#oldLeft <= 0 && this.#newLeft <= 0) this.flush();
  }
}

export function parseDiff(diff: string): DiffFile[] {
  const parser = new Parser();
  for (const line of diff.replace(/\n$/, "").split("\n")) parser.take(line);
  parser.flush();
  return parser.files;
}
