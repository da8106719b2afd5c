import { columnsOf, GIB, inTurn, milliseconds, over, Samples, times } from './figures.mjs';
import { names, startSlowOrigin } from './origins.mjs';
import { startPeer, startPeers } from './peers.mjs';
import { keptAlive, seek, sleep } from './readers.mjs';

// A seek to bytes that are not cached: time to the first byte, over asking the origin.

/** @typedef {import('./figures.mjs').Figure} Figure */
/** @typedef {{ name: import('./figures.mjs').Column, url: string, agent: import('node:http').Agent }} Target */

export const title = 'seek to bytes not cached';

const SIZE = 16 * GIB;
const CONNECTION_RATE = 4e6;
const ROUND_TRIP_MS = 40;
/** What a seek that was given up may still do at the origin, in milliseconds. */
const AFTERMATH_MS = 60;

/** @param {import('./figures.mjs').BenchOptions} options @returns {Promise<Figure[]>} */
export async function run({ quick }) {
  const rounds = quick ? 5 : 21;
  const figures = [];
  for (const roundTripMs of [ROUND_TRIP_MS, 0]) {
    figures.push(...(await idle(roundTripMs, rounds)), await whileFilling(roundTripMs, rounds));
  }
  return figures;
}

/** Nothing else is going on. Seekwell fills in the background where it may, the others do not, so here it may not. @param {number} roundTripMs @param {number} rounds */
async function idle(roundTripMs, rounds) {
  const resources = names('film', 1);
  const origin = await startSlowOrigin({ size: SIZE, names: resources, connectionRate: CONNECTION_RATE, roundTripMs });
  const caches = await startPeers(origin.url);
  /** @type {Target[]} */
  const targets = [{ name: 'origin', url: `${origin.url}/${resources[0]}`, agent: keptAlive() }];
  for (const cache of caches)
    targets.push({ name: cache.name, url: await cache.urlOf(String(resources[0]), { fill: false }), agent: keptAlive() });
  const fresh = await measure(targets, rounds, 0, () => origin.dropIdle());
  const kept = await measure(targets, rounds, SIZE / 2, null);
  for (const { agent } of targets) agent.destroy();
  for (const cache of caches) await cache.stop();
  await origin.stop();
  return [
    figure(`${roundTripMs} ms RTT, new connections`, roundTripMs, fresh),
    figure(`${roundTripMs} ms RTT, kept-alive connections`, roundTripMs, kept),
  ];
}

/** The background fill takes all that the origin gives. @param {number} roundTripMs @param {number} rounds */
async function whileFilling(roundTripMs, rounds) {
  const resources = names('film', 1);
  const origin = await startSlowOrigin({
    size: SIZE,
    names: resources,
    connectionRate: CONNECTION_RATE,
    totalRate: 4 * CONNECTION_RATE,
    roundTripMs,
  });
  const cache = await startPeer('seekwell', origin.url);
  const url = await cache.urlOf(String(resources[0]), { prefetch: true });
  while ((await origin.stats()).active < 4) await sleep(20);
  const targets = [
    { name: /** @type {const} */ ('origin'), url: `${origin.url}/${resources[0]}` },
    { name: cache.name, url },
  ];
  const values = await measure(
    targets.map((target) => ({ ...target, agent: keptAlive() })),
    rounds,
    SIZE / 2,
    () => origin.dropIdle(),
  );
  await cache.stop();
  await origin.stop();
  return figure(`${roundTripMs} ms RTT, while the background fill saturates the origin`, roundTripMs, values);
}

/**
 * @param {Target[]} targets @param {number} rounds @param {number} from each round seeks to another place beyond this one
 * @param {(() => Promise<void>) | null} reconnect has the origin close connections that it has answered on and that lie idle; one that a cache opened ahead and never
 *   used stays. Null: connections are kept
 */
async function measure(targets, rounds, from, reconnect) {
  const samples = new Samples();
  // The first one, which also tells every cache how long the resource is, does not count.
  for (let round = -1; round < rounds; round++) {
    const offset = from + Math.floor(((round + 1 + Math.random()) * SIZE) / 2 / (rounds + 1));
    for (const { name, url, agent } of inTurn(targets, round + 1)) {
      await reconnect?.();
      const took = await seek(url, offset, reconnect === null ? agent : null);
      if (round >= 0) samples.add(name, took);
      await sleep(AFTERMATH_MS);
    }
  }
  return samples.medians();
}

/** @param {string} how @param {number} roundTripMs @param {import('./figures.mjs').Values} values @returns {Figure} */
function figure(how, roundTripMs, values) {
  const what = `seek to bytes not cached: time to first byte, ${how}`;
  const bars =
    roundTripMs > 0 && values.nginx !== undefined ? { label: `seek, ${how}`, better: /** @type {const} */ ('lower'), values } : null;
  const columns = columnsOf(values, milliseconds);
  if (roundTripMs === 0) {
    const more = (values.seekwell ?? Number.NaN) - (values.origin ?? Number.NaN);
    return { what, reach: 'origin +3 ms', columns, ratio: `${more < 0 ? '' : '+'}${more.toFixed(1)} ms`, ok: more <= 3, bars };
  }
  const ratio = over(values, 'origin');
  return { what, reach: '1.1x origin', columns, ratio: times(ratio, 'origin'), ok: ratio !== null && ratio <= 1.1, bars };
}
