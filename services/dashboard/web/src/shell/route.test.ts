import { describe, expect, it } from "vitest";
import { routeOf } from "./route";

const ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

describe("an address", () => {
  it("names a page, a batch with its tab, and an issue", () => {
    expect(routeOf(`#/batches/${ID}/issues/7`)).toMatchObject({ page: "issue", batch: `batches/${ID}`, issue: 7 });
    expect(routeOf(`#/batches/${ID}/timeline`)).toMatchObject({ page: "batch", batch: `batches/${ID}`, tab: "timeline" });
    expect(routeOf(`#/batches/${ID}`)).toMatchObject({ page: "batch", tab: "issues" });
    for (const page of ["agents", "performance", "events", "submit"]) expect(routeOf(`#/${page}`).page).toBe(page);
  });

  it("carries what a page is asked for", () => {
    expect(routeOf("#/events?batch=batches/X&text=a%20b").query.get("text")).toBe("a b");
  });

  it("of the old page leads on", () => {
    expect(routeOf("#/graph")).toMatchObject({ page: "batch", batch: "", tab: "graph" });
    expect(routeOf(`#/batches/${ID}/graph`)).toMatchObject({ page: "batch", tab: "graph" });
  });

  it("that names nothing that exists is the overview, and one of a batch without a tab its issues", () => {
    for (const hash of ["", "#", "#/nonsense", "#/batches/../x", "#/batches"]) expect(routeOf(hash).page).toBe("overview");
    for (const rest of ["issues/x", "issues/0", "nonsense", "issues"]) {
      expect(routeOf(`#/batches/${ID}/${rest}`)).toMatchObject({ page: "batch", tab: "issues" });
    }
  });
});
