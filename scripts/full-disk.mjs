import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { names, startSlowOrigin } from '../bench/origins.mjs';
import { readComputed } from '../bench/readers.mjs';
import { endEverything, newFolder } from '../bench/started-things.mjs';
import { root } from './setup.mjs';

// By hand, as root: `npm run full-disk`. A daemon on a real file system (ext4 in a file of 64 MiB) that fills up, gets room again, and at last
// turns read-only under it, as one whose disk fails does. Every byte that a reader gets is compared. Prints what came out; exit 1 where it is not what it should be.

const MIB = 1024 * 1024;
const DISK = 64 * MIB;
const SIZE = 96 * MIB;
/** The daemon tries a broken disk again after this long, in milliseconds. */
const REST_MS = 5_500;

const folder = newFolder('full-disk');
const [image, disk] = [join(folder, 'image'), join(folder, 'disk')];
const [first, second, third] = /** @type {[string, string, string]} */ (names('film', 3));

/** @param {string} program @param {string[]} args */
const run = (program, ...args) => execFileSync(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });

/** @param {string} what @param {unknown} got @param {unknown} expected */
function expectThat(what, got, expected) {
  const ok = JSON.stringify(got) === JSON.stringify(expected);
  console.log(`${ok ? 'yes' : 'NO '}  ${what}${ok ? '' : `: ${JSON.stringify(got)} instead of ${JSON.stringify(expected)}`}`);
  if (!ok) process.exitCode = 1;
}

/** @param {import('node:child_process').ChildProcess} child @param {{ text: string }} said @returns {Promise<string>} */
async function listening(child, said) {
  while (!said.text.includes('listening on')) {
    if (child.exitCode !== null) throw new Error(said.text);
    await sleep(20);
  }
  return /listening on (http:[^\s"]+)/.exec(said.text)?.[1] ?? '';
}

run('mkdir', disk);
run('touch', image);
truncateSync(image, DISK);
run('mkfs.ext4', '-q', image);
run('mount', '-o', 'loop', image, disk);
const origin = await startSlowOrigin({ size: SIZE, names: [first, second, third] });
const args = ['serve', '--port', '0', '--cache-dir', join(disk, 'cache'), '--max-size', 'unlimited', '--min-free', '0', '--fill', 'never'];
const child = spawn(process.execPath, [join(root, 'dist', 'cli', 'main.js'), ...args, '--log-format', 'json'], {
  stdio: ['ignore', 'pipe', 'pipe'],
});
const said = { text: '' };
child.stdout.on('data', (text) => (said.text += text));
child.stderr.on('data', (text) => (said.text += text));
const warnings = () => said.text.split('\n').filter((line) => /"level":[45]0/.test(line)).length;
try {
  const url = await listening(child, said);
  /** @param {string} path @param {RequestInit} [init] @returns {Promise<any>} */
  const api = async (path, init) => (await fetch(`${url}/api/v1/${path}`, init)).json();
  /** @param {string} name @returns {Promise<{ id: number, streamUrl: string }>} */
  const register = (name) =>
    api('entries', {
      method: 'POST',
      body: JSON.stringify({ url: `${origin.url}/${name}` }),
      headers: { 'content-type': 'application/json' },
    });
  const film = await register(first);
  await readComputed(film.streamUrl, { size: SIZE });
  await readComputed(film.streamUrl, { offset: SIZE - MIB, size: SIZE });
  expectThat('a film larger than the disk plays, with one warning', warnings(), 1);
  const late = await register(third);
  expectThat('a film can be registered on the full disk', typeof late.streamUrl, 'string');
  await readComputed(late.streamUrl, { offset: SIZE - 2 * MIB, size: SIZE });
  expectThat('and plays, without another warning', warnings(), 1);
  expectThat(
    'an entry can be removed from the full disk',
    (await fetch(`${url}/api/v1/entries/${film.id}`, { method: 'DELETE' })).status,
    204,
  );
  await sleep(REST_MS);
  const other = await register(second);
  await readComputed(other.streamUrl, { offset: SIZE - 8 * MIB, size: SIZE });
  await sleep(500);
  expectThat('with room again bytes are kept', (await api(`entries/${other.id}/ranges`)).ranges, [[SIZE - 8 * MIB, SIZE - 1]]);
  expectThat('without another warning', warnings(), 1);
  run('mount', '-o', 'remount,abort', disk);
  await origin.reset();
  await readComputed(other.streamUrl, { offset: SIZE - 8 * MIB, size: SIZE });
  expectThat('read-only: what is kept comes from the cache', (await origin.stats()).bodyBytes, 0);
  await readComputed(other.streamUrl, { offset: SIZE - 16 * MIB, size: SIZE });
  await readComputed(other.streamUrl, { offset: SIZE - 16 * MIB, size: SIZE });
  expectThat('the rest is passed through, with one more warning', warnings(), 2);
  child.kill('SIGTERM');
  const [code] = await once(child, 'exit');
  expectThat('and the daemon ends as it should', code, 0);
} finally {
  child.kill('SIGKILL');
  if (process.exitCode === 1) console.error(said.text);
  run('umount', '-l', disk);
  await origin.stop();
  await endEverything();
}
