/** Which page the address names: `#/batches/…/issues/7`, `#/batches/…/timeline`, `#/agents`, `#/events?batch=…`. */

export const TABS = ["issues", "timeline", "graph", "costs", "events"] as const;
export type Tab = (typeof TABS)[number];
const PAGES = ["agents", "performance", "events", "submit"] as const;
export type Page = "overview" | "batch" | "issue" | (typeof PAGES)[number];

export interface Route {
  page: Page;
  /** `batches/{ulid}`; empty: the newest. */
  batch: string;
  issue: number;
  tab: Tab;
  /** What stands behind `?`. */
  query: URLSearchParams;
}

function oneOf<Name extends string>(names: readonly Name[], name: string): Name | undefined {
  return names.find((known) => known === name);
}

export function routeOf(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [first = "", id = "", what = "", issue = ""] = path.split("/");
  const route: Route = { page: "overview", batch: "", issue: 0, tab: "issues", query: new URLSearchParams(query) };
  const page = oneOf(PAGES, first);
  if (page) return { ...route, page };
  if (first === "graph") return { ...route, page: "batch", tab: "graph" };
  if (first !== "batches" || !/^[0-9A-Z]{26}$/.test(id)) return route;
  const batch = `batches/${id}`;
  if (what === "issues" && /^[1-9][0-9]{0,9}$/.test(issue)) return { ...route, page: "issue", batch, issue: Number(issue) };
  return { ...route, page: "batch", batch, tab: oneOf(TABS, what) ?? "issues" };
}
