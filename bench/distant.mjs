import { join } from 'node:path';
import { columnsOf, MIB, megabytes, over, times } from './figures.mjs';
import { names, startSlowOrigin } from './origins.mjs';
import { plainEnvironment, SEEKWELL, startPeer, startPeers } from './peers.mjs';
import { finished, readComputed } from './readers.mjs';
import { newFolder } from './started-things.mjs';

// A whole file, cold, from an origin that gives each connection so much and no more: what several connections make of it.

/** @typedef {import('./figures.mjs').Figure} Figure */

export const title = 'whole file, cold, origin limited per connection';

const CONNECTION_RATE = 3 * MIB;
const CONNECTIONS = 4;

/** @param {import('./figures.mjs').BenchOptions} options @returns {Promise<Figure[]>} */
export async function run({ quick }) {
  // Peers work on one connection, and their rate does not depend on the size, which their time does.
  const size = quick ? 128 * MIB : 256 * MIB;
  const peersSize = quick ? 24 * MIB : 128 * MIB;
  const peers = await onePerConnection(peersSize);
  const got = await throughGet(size);
  const read = await throughServe(size);
  const where = `origin at 3 MiB/s a connection, ${CONNECTIONS} connections`;
  return [
    figure(`whole file of ${size / MIB} MiB, cold, ${where}: seekwell get`, { ...peers, seekwell: got }, false),
    figure(`whole file of ${size / MIB} MiB, cold, ${where}: one reader`, { ...peers, seekwell: read }, true),
  ];
}

/** The origin itself, and the peers, side by side: each has connections of its own, and all of them together hardly need the processor. @param {number} size */
async function onePerConnection(size) {
  const [resource = ''] = names('film', 1);
  const origin = await startSlowOrigin({ size, names: [resource], connectionRate: CONNECTION_RATE });
  const caches = (await startPeers(origin.url)).filter(({ name }) => name !== 'seekwell');
  const readers = [{ name: /** @type {const} */ ('origin'), url: `${origin.url}/${resource}` }];
  const all = [...readers, ...(await Promise.all(caches.map(async (cache) => ({ name: cache.name, url: await cache.urlOf(resource) }))))];
  const rates = await Promise.all(all.map(async ({ name, url }) => [name, size / (await readComputed(url, { size }))]));
  for (const cache of caches) await cache.stop();
  await origin.stop();
  return /** @type {import('./figures.mjs').Values} */ (Object.fromEntries(rates));
}

/** Bytes a second from the start of the program to its end. @param {number} size */
async function throughGet(size) {
  const [resource = ''] = names('film', 1);
  const origin = await startSlowOrigin({ size, names: [resource], connectionRate: CONNECTION_RATE });
  const folder = newFolder('get');
  const options = ['--connections', String(CONNECTIONS), '--cache-dir', join(folder, 'cache'), '--max-size', 'unlimited'];
  const started = performance.now();
  await finished(process.execPath, [SEEKWELL, 'get', ...options, `${origin.url}/${resource}`], plainEnvironment(folder));
  const seconds = (performance.now() - started) / 1000;
  await origin.stop();
  return size / seconds;
}

/** @param {number} size */
async function throughServe(size) {
  const [resource = ''] = names('film', 1);
  const origin = await startSlowOrigin({ size, names: [resource], connectionRate: CONNECTION_RATE });
  const cache = await startPeer('seekwell', origin.url, { args: ['--connections', String(CONNECTIONS)] });
  const seconds = await readComputed(await cache.urlOf(resource), { size });
  await cache.stop();
  await origin.stop();
  return size / seconds;
}

/** @param {string} what @param {import('./figures.mjs').Values} values @param {boolean} inPicture @returns {Figure} */
function figure(what, values, inPicture) {
  const ratio = over(values, 'origin');
  const bars = { label: 'whole file, cold, origin limited per connection', better: /** @type {const} */ ('higher'), values };
  return {
    what,
    reach: '3.8x one connection',
    columns: columnsOf(values, megabytes),
    ratio: times(ratio, 'one'),
    ok: ratio !== null && ratio >= 3.8,
    bars: inPicture ? bars : null,
  };
}
