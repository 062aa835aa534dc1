import { describe, expect, it } from "vitest";
import { routeOf } from "./route";

const ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

describe("an address", () => {
  it("names a page, a batch and an issue", () => {
    expect(routeOf(`#/batches/${ID}/issues/7`)).toEqual({ page: "issue", batch: `batches/${ID}`, issue: 7 });
    expect(routeOf(`#/batches/${ID}/graph`)).toEqual({ page: "graph", batch: `batches/${ID}`, issue: 0 });
    expect(routeOf("#/agents").page).toBe("agents");
  });

  it("that names nothing that exists is the list of batches", () => {
    for (const hash of ["", "#", "#/nonsense", "#/batches/../x", `#/batches/${ID}/issues/x`]) {
      expect(routeOf(hash).page).toBe("batches");
    }
  });
});
