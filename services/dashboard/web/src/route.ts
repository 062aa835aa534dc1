/** Which page the address names: `#/batches/…/issues/7`, `#/agents`, `#/performance`. */

export interface Route {
  page: "batches" | "issue" | "graph" | "agents" | "performance" | "events";
  /** `batches/{ulid}`; empty: the newest. */
  batch: string;
  issue: number;
}

export function routeOf(hash: string): Route {
  const [page = "", id = "", what = "", issue = ""] = hash.replace(/^#\/?/, "").split("/");
  if (page === "agents" || page === "performance" || page === "events") return { page, batch: "", issue: 0 };
  const batch = page === "batches" && /^[0-9A-Z]{26}$/.test(id) ? `batches/${id}` : "";
  if (batch && what === "issues" && /^[0-9]+$/.test(issue)) return { page: "issue", batch, issue: Number(issue) };
  return { page: what === "graph" || page === "graph" ? "graph" : "batches", batch, issue: 0 };
}
