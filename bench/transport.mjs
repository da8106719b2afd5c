import { closeSync, openSync, read, readSync } from 'node:fs';
import { join } from 'node:path';
import { inTurn, MIB, median, perSecond, times } from './figures.mjs';
import { startFileOrigin, whyNoNginx } from './nginx.mjs';
import { writeNoise } from './origins.mjs';
import { cpuSeconds } from './process-numbers.mjs';
import { curl } from './readers.mjs';
import { newFolder, printed, removeFolder, startModule } from './started-things.mjs';
import { readRanges } from './wrk.mjs';

// What answering on the socket saves against node:http, and what a buffer's size is worth, and no buffer: bare servers, nothing of the product (docs/decisions/0006 and 0007).

/** @typedef {import('./figures.mjs').Figure} Figure */
/** @typedef {{ name: string, url: string, pid: number }} Target */

export const title = 'bare transports';

const KIB = 1024;
const SIZE = 512 * MIB;
const SMALL = 64 * KIB;
const STREAM_BUFFERS = [64, 128, 256, 512, 1024];

/** @param {import('./figures.mjs').BenchOptions} options @returns {Promise<Figure[]>} */
export async function run({ quick }) {
  const folder = newFolder('transport');
  const path = join(folder, 'film.bin');
  writeNoise(path, SIZE);
  const rounds = quick ? 3 : 7;
  const figures = [...(await reads(path)), ...(await serving(folder, path, rounds, quick ? 1 : 4))];
  removeFolder(folder);
  return figures;
}

/** @param {string} folder @param {string} path @param {number} rounds @param {number} seconds */
async function serving(folder, path, rounds, seconds) {
  const nginx = whyNoNginx() === null ? await startFileOrigin(folder) : null;
  const peer = nginx === null ? [] : [{ name: 'nginx', url: `${nginx.url}/film.bin`, pid: nginx.pid }];
  const ranged = [...peer, await bare('http', path, SMALL), await bare('socket', path, SMALL + KIB), await bare('kernel', path, 512 * KIB)];
  const streaming = [...peer, await bare('kernel', path, 512 * KIB)];
  for (const kib of STREAM_BUFFERS) streaming.push({ ...(await bare('socket', path, kib * KIB)), name: `${kib} KiB buffers` });
  const figures = [...(await ranges(ranged, rounds, seconds)), ...(await streams(streaming, rounds))];
  await nginx?.stop();
  return figures;
}

const NAMES = { http: 'node:http', socket: 'a socket', kernel: 'the kernel sends' };

/** @param {keyof typeof NAMES} kind @param {string} path @param {number} bufferBytes @returns {Promise<Target>} */
async function bare(kind, path, bufferBytes) {
  const server = startModule('bare-server.mjs', { kind, path, size: SIZE, bufferBytes });
  const [, url = ''] = await printed(server, /listening on (http\S+)/);
  return { name: NAMES[kind], url, pid: server.pid };
}

/** @param {Target[]} targets @param {number} rounds @param {number} seconds */
async function ranges(targets, rounds, seconds) {
  const rates = new Map(targets.map(({ name }) => [name, /** @type {number[]} */ ([])]));
  for (let round = 0; round < rounds; round++) {
    for (const { name, url, pid } of inTurn(targets, round)) {
      const load = await readRanges(url, { size: SIZE, length: SMALL, clients: 16, threads: 2, seconds, serverPid: pid });
      rates.get(name)?.push(load.requestsPerSecond);
    }
  }
  return rows('64 KiB ranges, 16 clients', rates, perSecond);
}

/** @param {Target[]} targets @param {number} rounds */
async function streams(targets, rounds) {
  const rates = new Map(targets.map(({ name }) => [name, /** @type {number[]} */ ([])]));
  const costs = new Map(targets.map(({ name }) => [name, /** @type {number[]} */ ([])]));
  // The first one of each is not counted.
  for (let round = -1; round < rounds; round++) {
    for (const { name, url, pid } of inTurn(targets, round + 1)) {
      const before = cpuSeconds(pid);
      let rate = 0;
      // The kernel counts CPU time in hundredths of a second.
      for (let i = 0; i < 4; i++) rate += (await curl(url, SIZE)).rate / 4;
      if (round < 0) continue;
      rates.get(name)?.push(rate);
      costs.get(name)?.push((cpuSeconds(pid) - before) / ((4 * SIZE) / 1e9));
    }
  }
  return [
    ...rows('512 MiB as one stream', rates, (rate) => `${(rate / 1e9).toFixed(2)} GB/s`),
    ...rows('512 MiB as one stream: CPU seconds per GB', costs, (cost) => `${cost.toFixed(2)} s`),
  ];
}

/**
 * nginx in its column, a bare server in that of the origin: the same work without a cache.
 * @param {string} what @param {Map<string, number[]>} samples @param {(value: number) => string} format @returns {Figure[]}
 */
function rows(what, samples, format) {
  const nginx = samples.has('nginx') ? median(samples.get('nginx') ?? []) : null;
  return [...samples]
    .filter(([name]) => name !== 'nginx')
    .map(([name, values]) => ({
      what: `${what}, bare server: ${name}`,
      reach: '',
      columns: { origin: spread(values, format), ...(nginx === null ? {} : { nginx: spread(samples.get('nginx') ?? [], format) }) },
      ratio: nginx === null ? '' : times(median(values) / nginx, 'nginx'),
      ok: null,
      bars: null,
    }));
}

/** The median, and the range of all. @param {number[]} values @param {(value: number) => string} format */
function spread(values, format) {
  return `${format(median(values))} (${format(Math.min(...values))} to ${format(Math.max(...values))})`;
}

/** What a read of 64 KiB that is in memory costs this thread, at once and through libuv's pool. @param {string} path @returns {Promise<Figure[]>} */
async function reads(path) {
  const fd = openSync(path, 'r');
  const buffer = Buffer.alloc(SMALL);
  const readLater = () =>
    new Promise((resolve, reject) => read(fd, buffer, 0, SMALL, 0, (error) => (error === null ? resolve(undefined) : reject(error))));
  const [atOnce, later] = [await microseconds(() => readSync(fd, buffer, 0, SMALL, 0)), await microseconds(readLater)];
  closeSync(fd);
  return Object.entries({ 'at once': atOnce, "by libuv's pool": later }).map(([name, value]) => ({
    what: `a read of 64 KiB that is in memory, ${name}`,
    reach: '',
    columns: { origin: `${value.toFixed(1)} µs` },
    ratio: times(value / atOnce, 'at once'),
    ok: null,
    bars: null,
  }));
}

/** @param {() => unknown} work */
async function microseconds(work) {
  /** @type {number[]} */
  const samples = [];
  for (let round = 0; round < 20; round++) {
    const began = performance.now();
    for (let i = 0; i < 1_000; i++) await work();
    samples.push(performance.now() - began);
  }
  return median(samples);
}
