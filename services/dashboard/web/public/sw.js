/* Keeps the page's shell: the newest one while the server answers, the last one while it does not. It keeps no data. */
const SHELL = "miyabi-shell";

/* The page names its first files; shell.json names them all, so that every page of it opens without the server. */
async function keep(page) {
  const cache = await caches.open(SHELL);
  const listed = await fetch("/assets/shell.json", { cache: "no-cache" });
  const files = isShell(listed) ? await listed.json() : [];
  const named = [...(await page.clone().text()).matchAll(/(?:src|href)="(\/[^"]+)"/g)].map((found) => found[1]);
  const wanted = new Set(["/", ...named, ...files]);
  const missing = [];
  for (const file of wanted) if (file !== "/" && !(await cache.match(file))) missing.push(file);
  await cache.addAll(missing);
  await cache.put("/", page);
  for (const request of await cache.keys()) {
    if (!wanted.has(new URL(request.url).pathname)) await cache.delete(request);
  }
}

/* A log-in form is no shell: only the page itself is kept. */
function isShell(answer) {
  return answer.ok && !answer.redirected && answer.type === "basic";
}

async function openPage(event) {
  try {
    const answer = await fetch(event.request);
    if (isShell(answer)) event.waitUntil(keep(answer.clone()).catch(() => undefined));
    if (answer.status < 500) return answer;
    return (await caches.match("/")) ?? answer;
  } catch (error) {
    const kept = await caches.match("/");
    if (kept) return kept;
    throw error;
  }
}

self.addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const page = await fetch("/", { headers: { accept: "text/html" } });
      if (isShell(page)) await keep(page);
      await self.skipWaiting();
    })(),
  );
});

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (url.origin !== location.origin || event.request.method !== "GET") return;
  if (event.request.mode === "navigate" && url.pathname === "/") event.respondWith(openPage(event));
  else if ((url.pathname.startsWith("/assets/") && url.pathname !== "/assets/shell.json") || url.pathname === "/icon.svg") {
    event.respondWith(caches.match(event.request).then((kept) => kept ?? fetch(event.request)));
  }
});
