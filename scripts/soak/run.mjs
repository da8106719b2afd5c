import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { areRight, FILMS, MAX_SIZE, startOrigin } from './films.mjs';

const SCRIPT = fileURLToPath(new URL('../soak.mjs', import.meta.url));
/** How long after their time processes may go on, in milliseconds. */
const PATIENCE_MS = 60_000;
/** One process is killed this often, in milliseconds. */
const KILL_MS = 2_000;

/** @typedef {import('./member.mjs').Told} Told */

/** @param {{ processes: number, seconds: number }} options @returns {Promise<number>} the exit code */
export async function runSoak({ processes, seconds }) {
  const folder = mkdtempSync(join(tmpdir(), 'seekwell-soak-'));
  const origin = await startOrigin();
  const until = Date.now() + seconds * 1000;
  /** @type {Told[]} */
  const told = [];
  /** @type {string[]} */
  const failures = [];
  /** @type {Set<import('node:child_process').ChildProcess>} */
  const members = new Set();
  let killed = 0;
  /** @param {number} number @returns {Promise<void>} */
  const member = (number) =>
    new Promise((resolve) => {
      const options = { cacheDir: join(folder, 'cache'), originUrl: origin.url, until, seed: number };
      const child = fork(SCRIPT, ['member', JSON.stringify(options)]);
      /** @type {Told} */
      let last = { done: {}, expected: {}, failures: [], bytes: 0, slowest: {} };
      members.add(child);
      const late = setTimeout(() => child.kill('SIGABRT'), until - Date.now() + PATIENCE_MS);
      child.on('message', (message) => {
        last = /** @type {Told} */ (message);
      });
      child.on('exit', (code, signal) => {
        clearTimeout(late);
        members.delete(child);
        told.push(last);
        failures.push(...last.failures);
        if (signal === 'SIGKILL') void member(number + processes).then(resolve);
        else resolve();
        if (signal !== 'SIGKILL' && code !== 0) failures.push(`a process ended with ${code ?? signal}`);
      });
    });
  const killing = setInterval(() => {
    if (Date.now() > until - KILL_MS) return;
    const [oldest] = members;
    killed += oldest?.kill('SIGKILL') ? 1 : 0;
  }, KILL_MS);
  await Promise.all(Array.from({ length: processes }, (_, index) => member(index + 1)));
  clearInterval(killing);
  const end = await lookAtTheEnd(join(folder, 'cache'), failures);
  origin.close();
  rmSync(folder, { recursive: true, force: true });
  const sums = { done: sumOf(told.map(({ done }) => done)), expected: sumOf(told.map(({ expected }) => expected)) };
  const slowest = mostOf(told.map((one) => one.slowest));
  const bytes = told.reduce((sum, one) => sum + one.bytes, 0);
  console.log(
    JSON.stringify({
      processes,
      seconds,
      killed,
      ...sums,
      slowest,
      bytesRead: bytes,
      originBytes: origin.counted.bytes,
      ...end,
      failures: failures.length,
    }),
  );
  for (const failure of failures) console.error(failure);
  return failures.length === 0 ? 0 : 1;
}

/** What is recorded must be right, and within the limit. @param {string} cacheDir @param {string[]} failures */
async function lookAtTheEnd(cacheDir, failures) {
  const { FileCache } = await import('#seekwell/index');
  const cache = await FileCache.open({ cacheDir, maxSize: MAX_SIZE, minFree: 0, background: false });
  await cache.sweep();
  await cache.gc();
  const { recordedBytes, leasedBytes, trashBytes } = await cache.statistics();
  if (recordedBytes > MAX_SIZE) failures.push(`${recordedBytes} bytes are recorded, at most ${MAX_SIZE} may be`);
  if (leasedBytes > 0 || trashBytes > 0)
    failures.push(`${leasedBytes} bytes are leased and ${trashBytes} in the trash, though nobody runs`);
  let checked = 0;
  for await (const { id, url } of cache.list()) {
    const index = FILMS.findIndex(({ name }) => url.endsWith(name));
    const entry = await cache.get(id);
    for (const { start, end } of (await entry?.spans()) ?? []) {
      let at = start;
      for await (const piece of entry?.read({ offset: start, length: end - start + 1, cachedOnly: true }) ?? []) {
        const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
        if (!areRight(index, bytes, at)) failures.push(`wrong bytes are recorded in ${url} within ${at} to ${at + bytes.length - 1}`);
        at += bytes.length;
      }
      checked += at - start;
    }
  }
  if (checked !== recordedBytes) failures.push(`${checked} of ${recordedBytes} recorded bytes could be read`);
  await cache.close();
  return { recordedBytes, checkedBytes: checked };
}

/** @param {Record<string, number>[]} values */
function mostOf(values) {
  /** @type {Record<string, number>} */
  const most = {};
  for (const one of values) for (const [name, value] of Object.entries(one)) most[name] = Math.max(most[name] ?? 0, value);
  return most;
}

/** @param {Record<string, number>[]} counts */
function sumOf(counts) {
  /** @type {Record<string, number>} */
  const sum = {};
  for (const one of counts) for (const [name, count] of Object.entries(one)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}
