import { describe as about, expect, it } from "vitest";
import { describe } from "./describe";

about("an event in a line", () => {
  it("has the score of a review, and none where there is no verdict", () => {
    const said = (review: object): string => describe({ sequence: "1", review_recorded: review }).text;
    expect(said({ score: 92, passed: true, findings: [{}] })).toBe("92 of 100, findings: 1");
    expect(said({ incomplete: true })).toBe("incomplete: no verdict");
    expect(said({ not_analysed: true, passed: true })).toBe("nothing of it could be analysed: no score");
  });
});
