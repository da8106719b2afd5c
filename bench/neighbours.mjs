import { join } from 'node:path';
import { MIB, milliseconds, times } from './figures.mjs';
import { names, startFastOrigin } from './origins.mjs';
import { startPeer } from './peers.mjs';
import { curl } from './readers.mjs';

// How long a warm read takes in one process while another one fills the same cache folder as fast as it can, over what it takes when nobody fills.

export const title = 'reads beside a process that fills';

const SIZE = 256 * MIB;
const LENGTH = 64 * 1024;

/** @param {import('./figures.mjs').BenchOptions} options @returns {Promise<import('./figures.mjs').Figure[]>} */
export async function run({ quick }) {
  const { FileCache } = await import('#seekwell/index');
  const [film = '', ...fills] = names('film', quick ? 4 : 9);
  const origin = await startFastOrigin({ size: SIZE, names: [film, ...fills] });
  const filler = await startPeer('seekwell', origin.url);
  await curl(await filler.urlOf(film, { fill: false }), SIZE);
  const cache = await FileCache.open({ cacheDir: join(filler.folder, 'cache'), maxSize: 'unlimited', background: false });
  const entry = await cache.add({ url: `${origin.url}/${film}` });
  await readUntil(entry, after(quick ? 500 : 2_000));
  const idle = await readUntil(entry, after(quick ? 2_000 : 6_000));
  for (const name of fills) await filler.urlOf(name, { prefetch: true });
  const beside = await readUntil(entry, async () => (await cache.statistics()).recordedBytes >= SIZE * (fills.length + 1));
  await cache.close();
  await filler.stop();
  await origin.stop();
  const [alone, busy] = [percentile(idle, 99), percentile(beside, 99)];
  return [
    {
      what: `a warm read of 64 KiB while another process fills, p99 of ${beside.length} (idle: ${milliseconds(alone)})`,
      reach: '',
      columns: { seekwell: milliseconds(busy) },
      ratio: times(busy / alone, 'idle'),
      ok: null,
      bars: null,
    },
  ];
}

/** @param {number} duration milliseconds */
function after(duration) {
  const end = performance.now() + duration;
  return async () => performance.now() >= end;
}

/** Reads at random places, one after the other. @param {import('#seekwell/index').Entry} entry @param {() => Promise<boolean>} isDone */
async function readUntil(entry, isDone) {
  const into = new Uint8Array(LENGTH);
  /** @type {number[]} milliseconds */
  const taken = [];
  while (!(await isDone())) {
    for (let count = 0; count < 50; count++) {
      const offset = Math.floor(Math.random() * (SIZE - LENGTH));
      const begin = performance.now();
      if ((await entry.readAt(into, offset)) !== LENGTH) throw new Error('a read was short');
      taken.push(performance.now() - begin);
    }
  }
  return taken;
}

/** @param {number[]} values @param {number} share in percent */
function percentile(values, share) {
  return values.toSorted((a, b) => a - b)[Math.ceil((values.length * share) / 100) - 1] ?? Number.NaN;
}
