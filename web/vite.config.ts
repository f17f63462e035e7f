// Builds the gallery into web/dist, which the server embeds. Nothing is inlined as a data: address and no
// polyfill is added, so that the pages live under the strict content security policy of the server.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [svelte()],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
    // The workspace's cache folder may be elsewhere; the build itself always lands beside the sources.
    outDir: process.env['SAFELIGHT_WEB_DIST'] ?? 'dist',
    emptyOutDir: true,
  },
  cacheDir: process.env['SAFELIGHT_CACHE'] ? `${process.env['SAFELIGHT_CACHE']}/vite` : 'node_modules/.vite',
  test: { include: ['src/**/*.test.ts'] },
});
