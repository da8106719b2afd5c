import { setMaxListeners } from 'node:events';
import { MIB, times } from './figures.mjs';
import { names, startSlowOrigin } from './origins.mjs';
import { startPeer } from './peers.mjs';
import { residentBytes } from './process-numbers.mjs';
import { readSlowly, sleep } from './readers.mjs';

// What slow readers cost in memory.

export const title = 'resident memory, 200 slow readers';

const SIZE = 10e9;
const READERS = 200;
/** Bytes a second that each reader takes. */
const RATE = 128 * 1024;
/** Fast enough for all of them, slow enough not to fill a disk meanwhile. */
const CONNECTION_RATE = 20e6;

/** @param {import('./figures.mjs').BenchOptions} options @returns {Promise<import('./figures.mjs').Figure[]>} */
export async function run({ quick }) {
  const seconds = quick ? 8 : 30;
  const [resource = ''] = names('film', 1);
  const origin = await startSlowOrigin({ size: SIZE, names: [resource], connectionRate: CONNECTION_RATE });
  const cache = await startPeer('seekwell', origin.url);
  const url = await cache.urlOf(resource);
  // Before anything is read: what is fetched in the background afterwards is not idleness.
  await sleep(1000);
  const idle = residentBytes(cache.pid);

  const end = new AbortController();
  setMaxListeners(0, end.signal);
  const readers = Array.from({ length: READERS }, (_, reader) => {
    const offset = Math.floor((reader / READERS) * SIZE);
    return readSlowly(url, { offset, rate: RATE, signal: end.signal });
  });
  const reading = Promise.all(readers);
  let peak = idle;
  const sampling = setInterval(() => {
    peak = Math.max(peak, residentBytes(cache.pid));
  }, 200);
  try {
    await Promise.race([reading, sleep(seconds * 1000)]);
    end.abort();
    await reading;
  } finally {
    clearInterval(sampling);
    await cache.stop();
    await origin.stop();
  }

  const grown = (peak - idle) / MIB;
  return [
    {
      what: `resident memory over idle (${Math.round(idle / MIB)} MiB), ${READERS} slow readers of a 10 GB entry`,
      reach: '150 MiB',
      columns: { seekwell: `${Math.round(grown)} MiB` },
      ratio: times(grown / 150, 'reach'),
      ok: grown <= 150,
      bars: null,
    },
  ];
}
