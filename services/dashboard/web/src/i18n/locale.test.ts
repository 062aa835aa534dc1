import { expect, it } from "vitest";
import { span } from "./locale.svelte";

it("says a span of time so that two which differ do not look the same", () => {
  const said = [NaN, 0, 0.0004, 0.02, 0.9994, 0.9999, 4.5, 89, 100, 120, 150, 600, 5400, 172_800].map(span);
  expect(said).toEqual(["–", "0 s", "0 s", "20 ms", "999 ms", "1.0 s", "4.5 s", "89 s", "1.7 min", "2 min", "2.5 min", "10 min", "1.5 h", "2 days"]);
});
