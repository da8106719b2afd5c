import { get } from 'node:http';
import { GIB, MIB, median, megabytes, milliseconds } from './figures.mjs';
import { names, startFastOrigin } from './origins.mjs';
import { startPeer } from './peers.mjs';
import { cpuSeconds } from './process-numbers.mjs';
import { curl, finished, keptAlive } from './readers.mjs';

// What checksums cost: a file as it is fetched, the first time it is read after a start (when each block is held against its checksum), and later. For
// the same without checksums, name a build from before them in SEEKWELL_BENCH_MAIN.

/** @typedef {import('./figures.mjs').Figure} Figure */

export const title = 'checksums';

const SEEKS = 40;

/** @param {import('./figures.mjs').BenchOptions} options @returns {Promise<Figure[]>} */
export async function run({ quick, fullSize }) {
  const rounds = quick ? 3 : 7;
  const size = fullSize ? GIB : 256 * MIB;
  const resources = names('film', rounds + 1);
  const origin = await startFastOrigin({ size, names: resources });
  /** @type {Record<'cold' | 'first' | 'later' | 'coldCpu' | 'firstCpu' | 'laterCpu' | 'firstSeek' | 'laterSeek', number[]>} */
  const found = { cold: [], first: [], later: [], coldCpu: [], firstCpu: [], laterCpu: [], firstSeek: [], laterSeek: [] };
  const agent = keptAlive();
  for (const [round, resource] of resources.entries()) {
    let cache = await startPeer('seekwell', origin.url);
    await finished('sync', []);
    const fetched = await measured(cache.pid, await cache.urlOf(resource), size);
    await cache.stop();
    cache = await startPeer('seekwell', origin.url, { folder: cache.folder });
    const first = await measured(cache.pid, await cache.urlOf(resource), size);
    const later = await measured(cache.pid, await cache.urlOf(resource), size);
    await cache.stop();
    cache = await startPeer('seekwell', origin.url, { folder: cache.folder });
    const url = await cache.urlOf(resource);
    // The connection, and what every request needs.
    await firstByte(url, size - 1, agent);
    const seeks = [[], []].map((/** @type {number[]} */ times) => times);
    for (const times of seeks) {
      // Six MiB apart: none is checked ahead of the one before.
      for (let at = 0; at < SEEKS; at++) times.push(await firstByte(url, at * 6 * MIB + 1000, agent));
    }
    await cache.stop();
    // The first one also warms up the machine.
    if (round === 0) continue;
    found.cold.push(fetched.rate);
    found.coldCpu.push(fetched.cpu);
    found.first.push(first.rate);
    found.firstCpu.push(first.cpu);
    found.later.push(later.rate);
    found.laterCpu.push(later.cpu);
    found.firstSeek.push(median(seeks[0] ?? []));
    found.laterSeek.push(median(seeks[1] ?? []));
  }
  agent.destroy();
  await origin.stop();
  const what = `${size / MIB} MiB`;
  return [
    figure(`${what}, fetched`, megabytes(median(found.cold)), cpu(found.coldCpu)),
    figure(`${what}, first read since start`, megabytes(median(found.first)), cpu(found.firstCpu)),
    figure(`${what}, later read`, megabytes(median(found.later)), cpu(found.laterCpu)),
    figure('warm seek into a block not checked yet, first byte', milliseconds(median(found.firstSeek)), '-'),
    figure('warm seek into a checked block, first byte', milliseconds(median(found.laterSeek)), '-'),
  ];
}

/** @param {number[]} samples */
function cpu(samples) {
  return `${median(samples).toFixed(2)} CPU s/GB`;
}

/** @param {number} pid @param {string} url @param {number} size */
async function measured(pid, url, size) {
  const before = cpuSeconds(pid);
  const { rate } = await curl(url, size);
  return { rate, cpu: ((cpuSeconds(pid) - before) * 1e9) / size };
}

/** Milliseconds until the first byte of 64 KiB at `offset` is there. @param {string} url @param {number} offset @param {import('node:http').Agent} agent */
async function firstByte(url, offset, agent) {
  const started = performance.now();
  const response = await new Promise((resolve, reject) => {
    get(url, { agent, headers: { range: `bytes=${offset}-${offset + 65_535}` } }, resolve).on('error', reject);
  });
  let took = Number.NaN;
  for await (const _ of response) if (Number.isNaN(took)) took = performance.now() - started;
  return took;
}

/** @param {string} what @param {string} seekwell @param {string} ratio @returns {Figure} */
function figure(what, seekwell, ratio) {
  return { what, reach: '-', columns: { seekwell }, ratio, ok: null, bars: null };
}
