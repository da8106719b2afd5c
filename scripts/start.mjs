import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, setUp } from './setup.mjs';

// `npm start -- ARGS` is `seekwell serve ARGS`, in this same process, so that signals and the exit code are the daemon's own.

await setUp();
const main = join(root, 'dist', 'cli', 'main.js');
process.argv = [process.execPath, main, 'serve', ...process.argv.slice(2)];
await import(pathToFileURL(main).href);
