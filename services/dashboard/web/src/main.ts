import { mount } from "svelte";
import App from "./App.svelte";
import { begin } from "./i18n/locale.svelte";
import { beginTheme } from "./shell/theme.svelte";
import "./shell/style.css";
import "./shell/parts.css";

const target = document.getElementById("app");
if (!target) throw new Error("no place for the page");
beginTheme();
await begin();
export default mount(App, { target });

// Keeps the page itself at hand, so that it opens, and says so, while its server is away. Plain HTTP knows none but on loopback.
if ("serviceWorker" in navigator) void navigator.serviceWorker.register("/sw.js").catch(() => undefined);
