import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installMissingPackages } from './debian-packages.mjs';
import { root, setUp } from './setup.mjs';

// `npm test -- ARGS` is `vitest run ARGS` on the built product. With `--node 24` first, that version of Node, which npx fetches, runs the tests and all that
// they start. What tests leave behind in TMPDIR goes away with the run.

await setUp();
installMissingPackages();

const args = process.argv.slice(2);
const program = args[0] === '--node' ? pathOfNode(args.splice(0, 2)[1] ?? '') : process.execPath;
const TMPDIR = mkdtempSync(join(tmpdir(), 'seekwell-test-'));
// An interrupt reaches vitest by itself; this process stays to clean up after it.
process.on('SIGINT', () => {});
const vitest = spawn(program, [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', ...args], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, TMPDIR },
});
process.on('SIGTERM', () => vitest.kill('SIGTERM'));
vitest.on('close', (code) => {
  rmSync(TMPDIR, { recursive: true, force: true });
  process.exitCode = code ?? 1;
});

/** Where that version of Node is, fetched once. @param {string} version */
function pathOfNode(version) {
  const npx = ['-y', '-p', `node@${version}`, 'node', '-p', 'process.execPath'];
  const { status, stdout } = spawnSync('npx', npx, { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });
  if (status !== 0) {
    console.error(`Node ${version} could not be fetched: npx ${npx.join(' ')}`);
    process.exit(1);
  }
  return stdout.trim();
}
