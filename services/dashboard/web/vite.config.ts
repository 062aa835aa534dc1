import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vite";

/** Writes assets/shell.json: every file of the build, for the service worker to keep. */
function shellList(): Plugin {
  return {
    name: "shell-list",
    generateBundle(_, bundle) {
      const files = Object.keys(bundle).filter((name) => name.startsWith("assets/"));
      this.emitFile({ type: "asset", fileName: "assets/shell.json", source: JSON.stringify(files.map((name) => `/${name}`)) });
    },
  };
}

// The page is served by the dashboard itself, under a policy that allows no inline code and no other host.
export default defineConfig({
  plugins: [svelte(), shellList()],
  build: {
    outDir: "../src/miyabi_dashboard/static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
  },
  server: { proxy: { "/api": "http://localhost:3001", "/ws": { target: "ws://localhost:3001", ws: true } } },
});
