import { columnsOf, GIB, inTurn, MIB, megabytes, over, Samples, times } from './figures.mjs';
import { names, startFastOrigin } from './origins.mjs';
import { installedPeers, startPeer } from './peers.mjs';
import { curl } from './readers.mjs';

// A whole file that is cached, one stream: the first time since the server started, and later ones.

/** @typedef {import('./figures.mjs').Figure} Figure */

export const title = 'whole file, warm, one stream';

/** Later reads after each start. */
const LATER = 3;

/** @param {import('./figures.mjs').BenchOptions} options @returns {Promise<Figure[]>} */
export async function run({ quick, fullSize }) {
  const rounds = quick ? 3 : 7;
  const size = fullSize ? GIB : 256 * MIB;
  const [resource = ''] = names('film', 1);
  const origin = await startFastOrigin({ size, names: [resource] });
  /** @type {Map<import('./peers.mjs').PeerName, string>} */
  const folders = new Map();
  for (const name of installedPeers()) {
    const cache = await startPeer(name, origin.url);
    await curl(await cache.urlOf(resource), size);
    folders.set(name, cache.folder);
    await cache.stop();
  }

  const [first, later] = [new Samples(), new Samples()];
  for (let round = 0; round < rounds; round++) {
    for (const [name, folder] of inTurn([...folders], round)) {
      const cache = await startPeer(name, origin.url, { folder });
      const url = await cache.urlOf(resource);
      first.add(name, (await curl(url, size)).rate);
      for (let read = 0; read < LATER; read++) later.add(name, (await curl(url, size)).rate);
      await cache.stop();
    }
  }
  await origin.stop();
  const what = `whole file of ${size / MIB} MiB, warm, one stream`;
  return [figure(`${what}: first read since start`, 'first', first.medians()), figure(`${what}: later reads`, 'later', later.medians())];
}

/** @param {string} what @param {string} which @param {import('./figures.mjs').Values} values @returns {Figure} */
function figure(what, which, values) {
  const ratio = over(values, 'nginx');
  return {
    what,
    reach: '1x nginx',
    columns: columnsOf(values, megabytes),
    ratio: times(ratio, 'nginx'),
    ok: ratio === null ? null : ratio >= 1,
    bars: { label: `whole file, warm, ${which} read`, better: 'higher', values },
  };
}
