import { describe, expect, it } from "vitest";
import { EMPTY, faultOf, numbersIn, previewOf, requestOf } from "./request";

const FORM = { ...EMPTY, repository: "acme/shop" };

describe("issue numbers", () => {
  it("are read however one writes them, each once", () => {
    expect(numbersIn("1, 2 #5-7;7")).toEqual([1, 2, 5, 6, 7]);
    expect(numbersIn("")).toEqual([]);
  });

  it("that are none are not guessed", () => {
    for (const words of ["x", "0", "7-5", "1-999999", "1.5", "-3"]) expect(numbersIn(words)).toBeUndefined();
  });
});

describe("a form", () => {
  it("names the field that is wrong", () => {
    expect(faultOf(EMPTY, undefined)).toBe("repository");
    expect(faultOf({ ...FORM, by: "numbers" }, undefined)).toBe("numbers");
    expect(faultOf(FORM, [])).toBe("none");
    expect(faultOf({ ...FORM, budget: "-1" }, undefined)).toBe("budget");
    expect(faultOf({ ...FORM, concurrency: "1.5" }, undefined)).toBe("concurrency");
    expect(faultOf({ ...FORM, budget: "0.5", concurrency: "8", limit: "20" }, undefined)).toBeUndefined();
  });

  it("leaves out what was left empty, and sends what was ticked rather than the query", () => {
    expect(requestOf(FORM, undefined, [])).toEqual({ repository: "acme/shop", pipeline: "PIPELINE_FIX", query: { state: "ISSUE_STATE_FILTER_OPEN" } });
    expect(requestOf({ ...FORM, budget: "2.5", dryRun: true }, [3, 4], ["PROBLEM_KIND_ISSUE_CLOSED"])).toEqual({
      repository: "acme/shop",
      pipeline: "PIPELINE_FIX",
      issueNumbers: [3, 4],
      budget: { usdMicros: "2500000" },
      dryRun: true,
      overrule: ["PROBLEM_KIND_ISSUE_CLOSED"],
    });
  });

  it("asks for a preview of the same query", () => {
    expect(previewOf({ ...FORM, text: "a b", labels: "bug" })).toBe("preview?repository=acme%2Fshop&state=open&query=a+b&labels=bug&pipeline=PIPELINE_FIX");
  });
});
