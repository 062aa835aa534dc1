import { describe, expect, it } from "vitest";
import { protoNames } from "./names";

describe("names of fields", () => {
  it("are those of the protos, however JSON spells them", () => {
    const spelled = { issueNumber: 7, rows: [{ taskId: "a", task_id2: [1, null, "issueNumber"] }] };
    expect(protoNames(spelled)).toEqual({ issue_number: 7, rows: [{ task_id: "a", task_id2: [1, null, "issueNumber"] }] });
  });

  it("that are none of ours stay as they are", () => {
    const strange = { "a/B": 1, TASK_STATE: 2, "": 3, __proto__x: 4 };
    expect(protoNames(strange)).toEqual(strange);
  });
});
