import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, setUp } from './setup.mjs';

// `npm run sim -- ARGS`: simulations of the built engine; test/simulation/main.ts tells what ARGS may be.

await setUp();
const loader = pathToFileURL(join(root, 'scripts', 'typescript-loader.mjs')).href;
const main = join(root, 'test', 'simulation', 'main.ts');
const simulations = spawn(process.execPath, ['--enable-source-maps', '--import', loader, main, ...process.argv.slice(2)], {
  stdio: 'inherit',
});
simulations.on('close', (code) => {
  process.exitCode = code ?? 1;
});
