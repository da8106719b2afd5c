import { join } from 'node:path';
import { SparseFileStore } from '#seekwell/chunk-store/sparse-file-store';
import { systemClock } from '#seekwell/clock';
import { SqliteRepository } from '#seekwell/repository/sqlite/sqlite-repository';
import { inTurn, MIB, median, megabytes, perSecond } from './figures.mjs';
import { names, startFastOrigin } from './origins.mjs';
import { startPeer } from './peers.mjs';
import { curl, finished } from './readers.mjs';
import { newFolder, removeFolder } from './started-things.mjs';

// What waiting for the disk costs: `--durability power-loss` (the default) beside `process-crash`.

export const title = 'durability: power-loss beside process-crash';

const KINDS = /** @type {const} */ (['power-loss', 'process-crash']);
const SIZE = 256 * MIB;
/** Bytes between two commits, and how long commits are counted for. */
const PIECE = 64 * 1024;
const COMMITS_MS = 2_000;

/** @param {import('./figures.mjs').BenchOptions} options @returns {Promise<import('./figures.mjs').Figure[]>} */
export async function run({ quick }) {
  const rounds = quick ? 3 : 7;
  /** @type {Record<string, number[]>} */
  const rates = { 'power-loss': [], 'process-crash': [] };
  /** @type {Record<string, number[]>} */
  const commits = { 'power-loss': [], 'process-crash': [] };
  const resources = names('film', rounds + 1);
  const origin = await startFastOrigin({ size: SIZE, names: resources });
  const caches = [];
  for (const kind of KINDS)
    caches.push({ kind, cache: await startPeer('seekwell', origin.url, { folder: newFolder(kind), args: ['--durability', kind] }) });
  for (const [round, resource] of resources.entries()) {
    for (const { kind, cache } of inTurn(caches, round)) {
      await finished('sync', []);
      const { rate } = await curl(await cache.urlOf(resource), SIZE);
      // The first file of each also warms up the processes.
      if (round > 0) rates[kind]?.push(rate);
    }
  }
  for (const { cache } of caches) await cache.stop();
  await origin.stop();
  for (let round = 0; round < 3; round++) for (const kind of inTurn(KINDS, round)) commits[kind]?.push(await commitsPerSecond(kind));
  return [
    figure(`whole file of ${SIZE / MIB} MiB, cold, fast origin`, rates, megabytes),
    figure('commits of 64 KiB, one after the other', commits, perSecond),
  ];
}

/** @param {string} what @param {Record<string, number[]>} values @param {(value: number) => string} format @returns {import('./figures.mjs').Figure} */
function figure(what, values, format) {
  const [safe, fast] = [median(values['power-loss'] ?? []), median(values['process-crash'] ?? [])];
  const ratio = `${(safe / fast).toFixed(2)}x process-crash (${format(fast)})`;
  return { what: `${what}, power-loss`, reach: '', columns: { seekwell: format(safe) }, ratio, ok: null, bars: null };
}

/** Writes, syncs and records piece by piece, as one fetch does that commits all the time. @param {string} kind */
async function commitsPerSecond(kind) {
  const folder = newFolder('commits');
  const repository = await SqliteRepository.open({ path: join(folder, 'seekwell.db'), owner: 'bench' });
  const store = new SparseFileStore({ folder, clock: systemClock, durable: kind === 'power-loss' });
  const names = { sourceId: 'url', mediaId: 'film', quality: 'original', originalUrl: 'http://origin/', requestHeaders: {} };
  const rest = { filename: null, filePath: 'files/00/film', fillAllowed: true, pinned: false };
  const { entry } = await repository.addEntry({ ...names, ...rest }, Date.now());
  const file = await store.create(entry.filePath);
  const description = { validator: { etag: '"v"', lastModified: null }, total: 2 ** 40, mimeType: null };
  const piece = Buffer.alloc(PIECE, 1);
  const began = performance.now();
  let count = 0;
  for (; performance.now() - began < COMMITS_MS; count++) {
    const start = count * PIECE;
    await file.write([piece], start);
    await file.sync();
    const range = { start, end: start + PIECE - 1 };
    const outcome = await repository.commit({ entryId: entry.id, epoch: 0, range, description, headers: {} }, Date.now());
    if (outcome.kind !== 'committed') throw new Error(`a commit ended as ${outcome.kind}`);
  }
  const seconds = (performance.now() - began) / 1000;
  await file.close();
  await repository.close();
  await store.close();
  removeFolder(folder);
  return count / seconds;
}
