import { join } from 'node:path';
import { root, setUp } from './setup.mjs';

// `node scripts/record-players.mjs [NAME...]`: records what mpv, ffmpeg, ffprobe and Chromium ask an origin for, into test/players/fixtures. Needs these
// programs (Debian: mpv, ffmpeg, chromium) and Linux, and takes a few minutes. The replay in test/players/replay.test.ts needs none of them.

await setUp();
const { createViteServer } = await import('vitest/node');
// What records is written like the tests, in TypeScript that this Node does not run by itself.
const vite = await createViteServer({
  root,
  configFile: false,
  logLevel: 'error',
  server: { middlewareMode: true, hmr: false, ws: false, watch: null },
});
try {
  const { recordPlayers } = await vite.ssrLoadModule(join(root, 'test/players/recording/record-players.ts'));
  await recordPlayers(process.argv.slice(2));
} finally {
  await vite.close();
}
