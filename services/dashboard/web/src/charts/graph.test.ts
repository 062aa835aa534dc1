import { describe, expect, it } from "vitest";
import { newIssue, newTask, type Task } from "../state/batch";
import { layout, levelsOf, rowsIn, tiles } from "./graph";

function task(id: string, ...dependsOn: string[]): Task {
  return { ...newTask(id, id), state: "leased", agent: "agent-1", start: 1000, dependsOn };
}

const TASKS = [task("plan"), task("review", "plan"), task("document", "plan"), task("pull", "review", "document")];

describe("a graph", () => {
  it("has a step to the right of all that it waits for", () => {
    expect([...levelsOf(TASKS).values()]).toEqual([0, 1, 1, 2]);
  });

  it("is drawn though steps name themselves, one another or what is not there", () => {
    expect(levelsOf([task("a", "a", "x"), task("b", "c"), task("c", "b")]).get("a")).toBe(0);
  });

  it("has no two boxes in one place, a wire for each prerequisite, and says who works and for how long", () => {
    const issues = [1, 2].map((number) => ({ ...newIssue(number), state: "running", tasks: TASKS }));
    const drawn = layout(issues, 5000);
    const boxes = drawn.rows.flatMap((row) => row.boxes);
    expect(new Set(boxes.map((box) => `${box.x},${box.y}`)).size).toBe(10);
    expect(drawn.rows.flatMap((row) => row.edges).length).toBe(10);
    expect(boxes.find((box) => box.key === "1/pull")).toMatchObject({ agent: "agent-1", seconds: 4 });
  });

  it("of many issues is tiles that do not overlap, with wires between those that wait for others", () => {
    const issues = Array.from({ length: 1000 }, (_, index) => ({ ...newIssue(index + 1), dependsOn: index ? [index] : [] }));
    const drawn = tiles(issues, 600);
    const boxes = drawn.rows.flatMap((row) => row.boxes);
    expect([new Set(boxes.map((box) => `${box.x},${box.y}`)).size, drawn.edges.length]).toEqual([1000, 999]);
    expect(Math.max(...boxes.map((box) => box.x)) + 60).toBeLessThanOrEqual(600);
    expect(rowsIn(drawn.rows, 300, 600).length).toBeLessThan(14);
  });
});
