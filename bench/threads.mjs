// Why syncs have a thread of their own: how long a claim takes while another fetch writes and syncs as fast as it can, with both on one thread and apart.
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMainThread, parentPort, receiveMessageOnPort, Worker, workerData } from 'node:worker_threads';

const CLAIMS = 300;
const WRITE_BYTES = 8 * 1024 * 1024;

if (!isMainThread) {
  const { SqliteWriter } = await import('../dist/repository/sqlite/sqlite-writer.js');
  const { loadDriver } = await import('../dist/repository/sqlite/load-driver.js');
  const writer = workerData.path === null ? null : new SqliteWriter(await loadDriver(null), workerData.path, 'bench');
  parentPort.on('message', (first) => {
    const messages = [];
    for (let message = first; message !== undefined; message = receiveMessageOnPort(parentPort)?.message) messages.push(message);
    for (const fd of new Set(messages.filter((message) => message.fd !== undefined).map((message) => message.fd))) fdatasyncSync(fd);
    const calls = messages.filter((message) => message.call !== undefined).map((message) => message.call);
    if (calls.length > 0) writer.run(calls);
    parentPort.postMessage(messages.map((message) => message.id));
  });
}

/** A worker as a function from a message to its completion. */
function remote(path) {
  const worker = new Worker(new URL(import.meta.url), { workerData: { path } });
  const waiting = new Map();
  let last = 0;
  worker.on('message', (ids) => {
    for (const id of ids) waiting.get(id)();
  });
  return {
    send: (message) => new Promise((resolve) => {
      waiting.set(++last, resolve);
      worker.postMessage({ ...message, id: last });
    }),
    end: () => worker.terminate(),
  };
}

async function measure(folder, apart) {
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
  const times = [];
  for (let index = 0; index < CLAIMS; index++) {
    const request = { entryId: 1, epoch: 0, offset: index * 1024, limit: index * 1024 + 1023, priority: 0, chunkSize: 1024, rows: 1, quota: null };
    const start = performance.now();
    await database.send({ call: { id: index, name: 'ensure', args: [request, Date.now()] } });
    times.push(performance.now() - start);
  }
  going = false;
  await background;
  await database.end();
  if (apart) await disk.end();
  closeSync(fd);
  times.sort((a, b) => a - b);
  return { median: times[Math.floor(CLAIMS * 0.5)], p99: times[Math.floor(CLAIMS * 0.99)] };
}

export async function run() {
  const { SqliteRepository } = await import('../dist/repository/sqlite/sqlite-repository.js');
  for (const apart of [false, true, false, true]) {
    const folder = mkdtempSync(join(tmpdir(), 'seekwell-bench-'));
    const repository = await SqliteRepository.open({ path: join(folder, 'seekwell.db'), owner: 'bench' });
    const entry = { sourceId: 's', mediaId: 'm', quality: 'q', originalUrl: 'http://x/', requestHeaders: {}, filename: null, filePath: 'f', fillAllowed: true, pinned: false };
    await repository.addEntry(entry, Date.now());
    await repository.close();
    const { median, p99 } = await measure(folder, apart);
    console.log(`${apart ? 'syncs on their own thread' : 'syncs and claims on one thread'}: a claim takes ${median.toFixed(2)} ms (median), ${p99.toFixed(2)} ms (99th percentile)`);
    rmSync(folder, { recursive: true });
  }
}

if (isMainThread && process.argv[1] === new URL(import.meta.url).pathname) await run();
