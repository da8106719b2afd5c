import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { areComputed, computedBytes } from '../bench/computed-bytes.mjs';
import { PlainDatabase } from './plain-database.mjs';
import { root } from './setup.mjs';

// `npm run kill -- --rounds 500 --seed 1`: a real daemon on a real folder is killed (SIGKILL) at random moments under load and started again. After each kill
// every recorded span is compared with the origin's bytes, straight from the files and the database, and held against what the database said just before.
// An interrupt ends it after the round under way.

const MIB = 1024 * 1024;
/** Small against what the films have together: every round evicts. */
const MAX_SIZE = 24 * MIB;
const SIZES = [1, 3, 5, 8, 12, 16].map((mib, index) => mib * MIB + index * 4_099);
/** Films differ by where in the noise they begin. */
const SHIFT = 104_729;
const PIECE = 64 * 1024;
const PIECE_MS = 2;

/** @typedef {{ id: number, media: string, epoch: number, file: string, start: number, end: number }} Span */
/** @typedef {{ child: import('node:child_process').ChildProcess, url: string }} Daemon */

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '100' }, seed: { type: 'string', default: '1' } } });
const rounds = Number(values.rounds);
let state = Number(values.seed) >>> 0;

/** A number below `limit`: mulberry32. @param {number} limit */
function random(limit) {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = Math.imul(state ^ (state >>> 15), state | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return (((t ^ (t >>> 14)) >>> 0) % 2 ** 32) % limit;
}

/** @param {number} film */
const sizeOf = (film) => SIZES[film] ?? 0;

const origin = createServer((request, response) => {
  void send(request, response).catch(() => response.destroy());
});

/** @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response */
async function send(request, response) {
  const film = Number(request.url?.slice(1));
  const size = sizeOf(film);
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [null, '0', ''];
  const [start, end] = [Number(from), to ? Math.min(size - 1, Number(to)) : size - 1];
  const range = { 'content-range': `bytes ${start}-${end}/${size}`, 'content-length': end - start + 1 };
  response.writeHead(206, { ...range, etag: `"film-${film}"` });
  for (let at = start; at <= end && !response.destroyed; at += PIECE) {
    for (const piece of computedBytes(at + film * SHIFT, Math.min(PIECE, end - at + 1))) response.write(piece);
    await sleep(PIECE_MS);
  }
  response.end();
}

/** @type {import('node:child_process').ChildProcess | null} */
let running = null;
// In a group of its own an interrupt does not reach it, and nothing outlives the loop.
process.on('exit', () => running?.kill('SIGKILL'));

/** @param {string} folder @returns {Promise<Daemon>} */
async function startDaemon(folder) {
  const args = ['serve', '--port', '0', '--cache-dir', folder, '--max-size', String(MAX_SIZE), '--min-free', '0', '--chunk-size', '1MiB'];
  const child = spawn(process.execPath, [join(root, 'dist', 'cli', 'main.js'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  running = child;
  let said = '';
  child.stderr.on('data', (text) => (said += text));
  const url = await new Promise((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (piece) => {
      text += piece;
      const found = /listening on (http:\S+)\n/.exec(text);
      if (found) resolve(found[1]);
    });
    child.once('close', (code) => reject(new Error(`the daemon ended with ${code}: ${said}`)));
  });
  return { child, url };
}

/** Reads a part of a film, leaving early at times. Every byte that comes is looked at. @param {string} url @param {number} film @param {AbortSignal} signal */
async function play(url, film, signal) {
  const size = sizeOf(film);
  const start = random(3) === 0 ? 0 : random(size);
  const leaveAfter = random(2) === 0 ? size : random(4 * MIB);
  const range = `bytes=${start}-${random(2) === 0 ? '' : start + random(size - start)}`;
  const response = await fetch(`${url}/stream/kill/${film}/original`, { headers: { range }, signal });
  if (response.status !== 206 || response.body === null) throw new Error(`${range} of film ${film} was answered ${response.status}`);
  let at = start;
  for await (const bytes of response.body) {
    if (!areComputed(Buffer.from(bytes), at + film * SHIFT)) throw new Wrong(`a reader of film ${film} got wrong bytes at ${at}`);
    at += bytes.length;
    if (at - start > leaveAfter) return;
  }
}

class Wrong extends Error {}

/** Four readers, one after the other film, and now and then what a user does. @param {string} url @param {string} originUrl @param {AbortSignal} signal */
async function load(url, originUrl, signal) {
  const json = { 'content-type': 'application/json' };
  for (const film of SIZES.keys()) {
    const body = JSON.stringify({ url: `${originUrl}/${film}`, source: 'kill', media: String(film) });
    await fetch(`${url}/api/v1/entries`, { method: 'POST', body, headers: json, signal });
  }
  const reader = async () => {
    while (!signal.aborted) await play(url, random(SIZES.length), signal);
  };
  const user = async () => {
    while (!signal.aborted) {
      const [id, what] = [1 + random(SIZES.length), random(8)];
      if (what < 4)
        await fetch(`${url}/api/v1/entries/${id}/${['prefetch', 'pause', 'resume', 'retry'][what]}`, { method: 'POST', signal });
      await sleep(50);
    }
  };
  await Promise.all([reader(), reader(), reader(), reader(), user()]);
}

/** What the database promises. @param {string} folder @returns {Span[]} */
function promises(folder) {
  const database = new PlainDatabase(join(folder, 'seekwell.db'), { readonly: true });
  try {
    const sql = `SELECT e.id, e.media_id AS media, e.epoch, e.file_path AS file, c.start_byte AS start, c.end_byte AS "end"
      FROM cache_chunks c JOIN cache_entries e ON e.id = c.cache_entry_id`;
    return /** @type {Span[]} */ (database.prepare(sql).all());
  } finally {
    database.close();
  }
}

/** @param {string} folder @param {Span} span */
async function check(folder, { media, file, start, end }) {
  const handle = await open(join(folder, file));
  try {
    for (let at = start; at <= end; at += MIB) {
      const length = Math.min(MIB, end - at + 1);
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(length), 0, length, at);
      if (bytesRead === length && areComputed(buffer, at + Number(media) * SHIFT)) continue;
      throw new Wrong(`span ${start}-${end} of film ${media} is false within 1 MiB from ${at}`);
    }
  } finally {
    await handle.close();
  }
}

/** One life of the daemon. @param {string} folder @param {string} originUrl */
async function round(folder, originUrl) {
  const daemon = await startDaemon(folder);
  try {
    return await killed(daemon, folder, originUrl);
  } finally {
    daemon.child.kill('SIGKILL');
  }
}

/** Loads the daemon, kills it, and compares. @param {Daemon} daemon @param {string} folder @param {string} originUrl */
async function killed({ child, url }, folder, originUrl) {
  const over = new AbortController();
  /** @type {unknown} */
  let failure = null;
  const loading = load(url, originUrl, over.signal).catch((error) => {
    // What the kill does to a reader is no failure.
    if (!over.signal.aborted || error instanceof Wrong) failure = error;
  });
  await sleep(random(1_000));
  const before = promises(folder);
  await sleep(random(20));
  child.kill('SIGKILL');
  over.abort();
  await once(child, 'exit');
  await loading;
  if (failure !== null) throw failure;
  const after = promises(folder);
  for (const span of after) await check(folder, span);
  const bytes = after.reduce((sum, { start, end }) => sum + end - start + 1, 0);
  if (bytes > MAX_SIZE) throw new Wrong(`${bytes} bytes are recorded; ${MAX_SIZE} are allowed`);
  // Within one epoch spans only grow.
  const gone = before.filter(({ id, epoch }) => !after.some((now) => now.id === id && now.epoch === epoch));
  const epochs = new Set(gone.map(({ id, epoch }) => `${id}:${epoch}`));
  for (const { id, epoch, start, end } of before) {
    if (epochs.has(`${id}:${epoch}`) && epochOf(folder, id) !== epoch) continue;
    if (after.some((now) => now.id === id && now.start <= start && now.end >= end)) continue;
    throw new Wrong(`span ${start}-${end} of entry ${id} was recorded before the kill and is gone`);
  }
  return { spans: after.length, bytes, evicted: epochs.size };
}

/** @param {string} folder @param {number} id */
function epochOf(folder, id) {
  const database = new PlainDatabase(join(folder, 'seekwell.db'), { readonly: true });
  try {
    return database.column('SELECT epoch FROM cache_entries WHERE id = ?', id)[0];
  } finally {
    database.close();
  }
}

origin.listen(0, '127.0.0.1');
await once(origin, 'listening');
const { port } = /** @type {import('node:net').AddressInfo} */ (origin.address());
const folder = mkdtempSync(join(tmpdir(), 'seekwell-kill-'));
const sum = { rounds: 0, spans: 0, bytes: 0, evictionsSeen: 0 };
let stopped = false;
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => (stopped = true));
try {
  while (sum.rounds < rounds && !stopped) {
    const { spans, bytes, evicted } = await round(folder, `http://127.0.0.1:${port}`);
    sum.rounds++;
    sum.spans += spans;
    sum.bytes += bytes;
    sum.evictionsSeen += evicted;
  }
  const epochs = SIZES.reduce((all, _, index) => all + Number(epochOf(folder, index + 1) ?? 0), 0);
  console.log(
    `${sum.rounds} kills: ${sum.spans} spans (${(sum.bytes / MIB).toFixed(0)} MiB) compared, none false, none lost; ${epochs} removals`,
  );
  rmSync(folder, { recursive: true, force: true });
} catch (error) {
  console.error(
    `round ${sum.rounds + 1}, seed ${values.seed}: ${error instanceof Error ? error.message : error}. The folder is left: ${folder}`,
  );
  process.exitCode = 1;
} finally {
  origin.close();
  origin.closeAllConnections();
}
