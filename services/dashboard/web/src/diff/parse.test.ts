import { describe, expect, it } from "vitest";
import { parseDiff } from "./parse";

const DIFF = `diff --git a/shop/cart.py b/shop/cart.py
index 1111111..2222222 100644
--- a/shop/cart.py
+++ b/shop/cart.py
@@ -10,4 +10,5 @@ def total():
 a
-b
-c
+B
+C
+D
 e
diff --git a/new.txt b/new.txt
new file mode 100644
--- /dev/null
+++ b/new.txt
@@ -0,0 +1,2 @@
+--- not a header
+@@ not a hunk
diff --git a/pic.png b/pic.png
Binary files a/pic.png and b/pic.png differ
`;

describe("a diff", () => {
  const [cart, added, picture] = parseDiff(DIFF);

  it("is files with what was added and removed", () => {
    expect([cart, added, picture].map((file) => [file?.path, file?.kind, file?.plus, file?.minus])).toEqual([
      ["shop/cart.py", "edited", 3, 2],
      ["new.txt", "added", 2, 0],
      ["pic.png", "binary", 0, 0],
    ]);
  });

  it("stands side by side, what was removed beside what was added, with the lines of either side", () => {
    expect(cart?.rows.slice(1).map((row) => [row.left?.line, row.left?.text, row.right?.line, row.right?.text])).toEqual([
      [10, "a", 10, "a"],
      [11, "b", 11, "B"],
      [12, "c", 12, "C"],
      [undefined, undefined, 13, "D"],
      [13, "e", 14, "e"],
    ]);
  });

  it("takes lines that look like headers for what they are: text", () => {
    expect(added?.rows.slice(1).map((row) => row.right?.text)).toEqual(["--- not a header", "@@ not a hunk"]);
  });

  it("that is cut, empty or none at all ends without an error", () => {
    expect(parseDiff("")).toEqual([]);
    expect(parseDiff("nonsense\n@@ -1 +1 @@\n+x")).toEqual([]);
    expect(parseDiff(DIFF.slice(0, 130))[0]?.path).toBe("shop/cart.py");
  });
});
