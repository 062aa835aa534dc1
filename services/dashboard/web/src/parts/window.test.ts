import { describe, expect, it } from "vitest";
import { windowOf } from "./window";

describe("a window of a long list", () => {
  it("holds what is in sight, and some lines beyond on either side", () => {
    expect(windowOf(1000, 500, 50, 1000, 4)).toEqual({ first: 16, last: 35, before: 800, whole: 50_000 });
  });

  it("ends where the list does", () => {
    expect(windowOf(0, 500, 50, 1000, 4).first).toBe(0);
    expect(windowOf(49_500, 500, 50, 1000, 4).last).toBe(1000);
    expect(windowOf(99_999, 500, 50, 1000, 4)).toMatchObject({ first: 985, last: 1000 });
  });

  it("of a short list is all of it, and of none nothing", () => {
    expect(windowOf(0, 500, 50, 3, 4)).toEqual({ first: 0, last: 3, before: 0, whole: 150 });
    expect(windowOf(0, 0, 50, 0, 4)).toEqual({ first: 0, last: 0, before: 0, whole: 0 });
    expect(windowOf(-30, 500, 50, 3, 4).first).toBe(0);
  });

  it("covers every pixel in sight, wherever one scrolls to", () => {
    for (let top = 0; top <= 20_000; top += 333) {
      const seen = windowOf(top, 777, 40, 500, 2);
      expect(seen.before).toBeLessThanOrEqual(Math.min(top, 500 * 40 - 777));
      expect(seen.last * 40).toBeGreaterThanOrEqual(Math.min(top + 777, 500 * 40));
      expect(seen.last - seen.first).toBeLessThanOrEqual(777 / 40 + 7);
    }
  });
});
