import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

// The page is served by the dashboard itself, under a policy that allows no inline code and no other host.
export default defineConfig({
  plugins: [svelte()],
  build: {
    outDir: "../src/miyabi_dashboard/static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/api": "http://localhost:3001", "/ws": { target: "ws://localhost:3001", ws: true } } },
});
