import { inTurn, MIB, median, perSecond, times } from './figures.mjs';
import { names, startFastOrigin } from './origins.mjs';
import { startPeer } from './peers.mjs';
import { curl } from './readers.mjs';
import { readRanges } from './wrk.mjs';

// What a second process brings: small ranges of a cached file with --workers 2 against 1, the same load.

export const title = 'ranges with two workers';

const SIZE = 256 * MIB;
const LENGTH = 64 * 1024;

/** @param {import('./figures.mjs').BenchOptions} options @returns {Promise<import('./figures.mjs').Figure[]>} */
export async function run({ quick }) {
  const [resource = ''] = names('film', 1);
  const origin = await startFastOrigin({ size: SIZE, names: [resource] });
  const caches = [await startPeer('seekwell', origin.url, { processes: 1 }), await startPeer('seekwell', origin.url, { processes: 2 })];
  const targets = await Promise.all(
    caches.map(async ({ pid, urlOf }) => ({ pid, url: await urlOf(resource), rates: /** @type {number[]} */ ([]) })),
  );
  for (const { url } of targets) await curl(url, SIZE);
  for (let round = 0; round < (quick ? 2 : 4); round++) {
    for (const { pid, url, rates } of inTurn(targets, round)) {
      const load = { size: SIZE, length: LENGTH, clients: 16, threads: 1, seconds: quick ? 1 : 4, serverPid: pid };
      rates.push((await readRanges(url, load)).requestsPerSecond);
    }
  }
  for (const { stop } of [...caches, origin]) await stop();
  const [one = Number.NaN, two = Number.NaN] = targets.map(({ rates }) => median(rates));
  return [
    {
      what: `64 KiB ranges, warm, 16 clients, --workers 2 (one process: ${perSecond(one)})`,
      reach: '',
      columns: { seekwell: perSecond(two) },
      ratio: times(two / one, 'one process'),
      ok: null,
      bars: null,
    },
  ];
}
