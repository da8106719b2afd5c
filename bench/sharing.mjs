import { columnsOf, inTurn, MIB, Samples, times } from './figures.mjs';
import { names, startSlowOrigin } from './origins.mjs';
import { startPeers } from './peers.mjs';
import { readComputed, sleep } from './readers.mjs';

// Readers whose ways overlap: how often the origin has to give each byte.

export const title = 'origin bytes per distinct byte, 12 overlapping readers';

const READERS = 12;
/** One comes this many milliseconds after the other. */
const APART_MS = 50;
const CONNECTION_RATE = 16 * MIB;

/** @param {import('./figures.mjs').BenchOptions} options @returns {Promise<import('./figures.mjs').Figure[]>} */
export async function run({ quick }) {
  const rounds = quick ? 1 : 3;
  const size = (quick ? 48 : 96) * MIB;
  const resources = names('film', rounds);
  const origin = await startSlowOrigin({ size, names: resources, connectionRate: CONNECTION_RATE });
  const caches = await startPeers(origin.url);
  const samples = new Samples();
  for (const [round, resource] of resources.entries()) {
    for (const cache of inTurn(caches, round)) {
      const url = await cache.urlOf(resource);
      await origin.reset();
      await Promise.all(Array.from({ length: READERS }, (_, reader) => read(url, reader, size)));
      // What was asked for ahead of the readers counts as well.
      while ((await origin.stats()).active > 0) await sleep(50);
      samples.add(cache.name, (await origin.stats()).bodyBytes / size);
    }
  }
  for (const cache of caches) await cache.stop();
  await origin.stop();

  const values = samples.medians();
  const ratio = values.seekwell ?? Number.NaN;
  return [
    {
      what: `origin bytes per distinct byte, ${READERS} overlapping readers that stay`,
      reach: '1.00',
      columns: columnsOf(values, (value) => value.toFixed(2)),
      ratio: times(ratio),
      ok: ratio < 1.005,
      bars: { label: 'origin bytes per byte, 12 readers', better: 'lower', values },
    },
  ];
}

/** From another place each, the first one from the front, to the end. @param {string} url @param {number} reader @param {number} size */
async function read(url, reader, size) {
  await sleep(reader * APART_MS);
  // Not in the order of the places: some come to where others have been, some go ahead of them.
  const offset = Math.floor((((reader * 7) % READERS) / READERS) * 0.9 * size);
  await readComputed(url, { offset, size });
}
