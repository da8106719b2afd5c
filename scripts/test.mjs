import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installMissingPackages } from './debian-packages.mjs';
import { root, setUp } from './setup.mjs';

// `npm test -- ARGS` is `vitest run ARGS` on the built product. What tests leave behind in TMPDIR goes away with the run.

await setUp();
installMissingPackages();

const TMPDIR = mkdtempSync(join(tmpdir(), 'seekwell-test-'));
// An interrupt reaches vitest by itself; this process stays to clean up after it.
process.on('SIGINT', () => {});
const vitest = spawn(process.execPath, [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, TMPDIR },
});
process.on('SIGTERM', () => vitest.kill('SIGTERM'));
vitest.on('close', (code) => {
  rmSync(TMPDIR, { recursive: true, force: true });
  process.exitCode = code ?? 1;
});
