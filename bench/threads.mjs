import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread, parentPort, receiveMessageOnPort, Worker, workerData } from 'node:worker_threads';
import { median, milliseconds, times } from './figures.mjs';
import { newFolder, removeFolder } from './started-things.mjs';

// Why syncs have a thread of their own: how long a claim takes while another fetch writes and syncs as fast as it can, with both on one thread and apart.

/** @typedef {{ id: number, fd?: number, call?: { id: number, name: 'ensure', args: any } }} Message a file to sync, or a change to the database */

export const title = 'claims while another fetch syncs';

const CLAIMS = 300;
const WRITE_BYTES = 8 * 1024 * 1024;

if (!isMainThread && parentPort !== null) await serve(parentPort, workerData.path);

/** What a commit thread does: takes all that is queued, syncs, then writes. @param {import('node:worker_threads').MessagePort} port @param {string | null} path */
async function serve(port, path) {
  const { SqliteWriter } = await import('#seekwell/repository/sqlite/sqlite-writer');
  const { loadDriver } = await import('#seekwell/repository/sqlite/load-driver');
  const writer = path === null ? null : new SqliteWriter(await loadDriver(null), path, 'bench');
  port.on('message', (/** @type {Message} */ first) => {
    /** @type {Message[]} */
    const messages = [];
    for (let message = first; message !== undefined; message = receiveMessageOnPort(port)?.message) messages.push(message);
    for (const fd of new Set(messages.flatMap((message) => message.fd ?? []))) fdatasyncSync(fd);
    const calls = messages.flatMap((message) => message.call ?? []);
    if (calls.length > 0) writer?.run(calls);
    port.postMessage(messages.map(({ id }) => id));
  });
}

/** A worker as a function from a message to its completion. @param {string | null} path of its database; null: it only syncs */
function remote(path) {
  const worker = new Worker(new URL(import.meta.url), { workerData: { path } });
  /** @type {Map<number, () => void>} */
  const waiting = new Map();
  let last = 0;
  worker.on('message', (/** @type {number[]} */ ids) => {
    for (const id of ids) waiting.get(id)?.();
  });
  /** @param {Omit<Message, 'id'>} message @returns {Promise<void>} */
  const send = (message) =>
    new Promise((resolve) => {
      waiting.set(++last, resolve);
      worker.postMessage({ ...message, id: last });
    });
  return { send, end: () => worker.terminate() };
}

/** How long each claim takes, in milliseconds. @param {string} folder @param {boolean} apart */
async function claimTimes(folder, apart) {
  const database = remote(join(folder, 'seekwell.db'));
  const disk = apart ? remote(null) : database;
  const fd = openSync(join(folder, 'file'), 'w');
  const bytes = Buffer.alloc(WRITE_BYTES, 1);
  let going = true;
  const background = (async () => {
    for (let at = 0; going; at = (at + WRITE_BYTES) % (64 * WRITE_BYTES)) {
      writeSync(fd, bytes, 0, bytes.length, at);
      await disk.send({ fd });
    }
  })();
  const taken = [];
  for (let index = 0; index < CLAIMS; index++) {
    const request = {
      entryId: 1,
      epoch: 0,
      offset: index * 1024,
      limit: index * 1024 + 1023,
      priority: 0,
      chunkSize: 1024,
      rows: 1,
      quota: null,
    };
    const begin = performance.now();
    await database.send({ call: { id: index, name: 'ensure', args: [request, Date.now()] } });
    taken.push(performance.now() - begin);
  }
  going = false;
  await background;
  await database.end();
  if (apart) await disk.end();
  closeSync(fd);
  return taken;
}

/** On a new cache with one entry. @param {boolean} apart */
async function measure(apart) {
  const { SqliteRepository } = await import('#seekwell/repository/sqlite/sqlite-repository');
  const folder = newFolder('threads');
  const repository = await SqliteRepository.open({ path: join(folder, 'seekwell.db'), owner: 'bench' });
  const key = { sourceId: 's', mediaId: 'm', quality: 'q' };
  const origin = { originalUrl: 'http://127.0.0.1:9/', requestHeaders: {}, filename: null, filePath: 'f' };
  await repository.addEntry({ ...key, ...origin, fillAllowed: true, pinned: false }, Date.now());
  await repository.close();
  const taken = await claimTimes(folder, apart);
  removeFolder(folder);
  return taken;
}

/** @param {import('./figures.mjs').BenchOptions} options @returns {Promise<import('./figures.mjs').Figure[]>} */
export async function run({ quick }) {
  /** @type {{ together: number[], apart: number[] }} */
  const samples = { together: [], apart: [] };
  for (let round = 0; round < (quick ? 1 : 3); round++) {
    samples.together.push(...(await measure(false)));
    samples.apart.push(...(await measure(true)));
  }
  const [together, apart] = [median(samples.together), median(samples.apart)];
  return [
    {
      what: `a claim while another fetch syncs, syncs on a thread of their own (on one thread: ${milliseconds(together)})`,
      reach: 'less than on one thread',
      columns: { seekwell: milliseconds(apart) },
      ratio: times(apart / together, 'one thread'),
      ok: apart < together,
      bars: null,
    },
  ];
}
