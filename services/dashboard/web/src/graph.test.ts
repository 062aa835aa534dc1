import { describe, expect, it } from "vitest";
import { newIssue, type Task } from "./batch";
import { layout, levelsOf } from "./graph";

function task(id: string, ...dependsOn: string[]): Task {
  return { id, kind: id, state: "leased", agent: "agent-1", title: "", dependsOn };
}

const TASKS = [task("plan"), task("review", "plan"), task("document", "plan"), task("pull", "review", "document")];

describe("a graph", () => {
  it("has a step to the right of all that it waits for", () => {
    expect([...levelsOf(TASKS).values()]).toEqual([0, 1, 1, 2]);
  });

  it("is drawn though steps name themselves, one another or what is not there", () => {
    expect(levelsOf([task("a", "a", "x"), task("b", "c"), task("c", "b")]).get("a")).toBe(0);
  });

  it("has no two boxes in one place, and a wire for each prerequisite", () => {
    const issues = [1, 2].map((number) => ({ ...newIssue(number), state: "running", tasks: TASKS }));
    const drawn = layout(issues);
    expect(new Set(drawn.boxes.map((box) => `${box.x},${box.y}`)).size).toBe(10);
    expect(drawn.edges.length).toBe(10);
    expect(drawn.boxes.find((box) => box.key === "1/pull")?.agent).toBe("agent-1");
  });
});
