import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { ensureInstalled, root } from './setup.mjs';

// `npm run check`: everything that can be known without running the product. Each step is the script `check:NAME` of
// package.json, and can be run alone.

/** Steps in one row run one after the other, rows run side by side. Tests import the package by its name: their types need the build. */
const rows = [['build', 'types', 'package'], ['style'], ['layers'], ['unused'], ['tidy']];
/** @type {Record<string, string>} */
const mends = { style: 'npm run format' };

await ensureInstalled();
const scripts = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).scripts;
const started = performance.now();
/** @type {string[]} */
const failed = [];
await Promise.all(rows.map(runRow));

const seconds = ((performance.now() - started) / 1000).toFixed(1);
if (failed.length === 0) {
  console.log(`Everything is in order (${seconds} s).`);
} else {
  console.log(`\nFailed: ${failed.join(', ')} (${seconds} s). To run one again: npm run check:${failed[0]}`);
  for (const step of failed) if (mends[step]) console.log(`Most of ${step} is mended by: ${mends[step]}`);
  process.exitCode = 1;
}

/** @param {string[]} steps */
async function runRow(steps) {
  for (const step of steps) {
    const { code, output } = await run(scripts[`check:${step}`]);
    if (code === 0) continue;
    failed.push(step);
    console.log(`\n--- ${step}: ${scripts[`check:${step}`]}\n${output.trimEnd()}`);
    return;
  }
}

/** @param {string} command @returns {Promise<{ code: number | null, output: string }>} */
function run(command) {
  const PATH = `${join(root, 'node_modules', '.bin')}${delimiter}${process.env.PATH}`;
  const child = spawn(command, { cwd: root, shell: true, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, PATH } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  return new Promise((resolve, reject) => child.on('error', reject).on('close', (code) => resolve({ code, output })));
}
