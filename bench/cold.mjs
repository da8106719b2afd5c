import { columnsOf, GIB, inTurn, MIB, megabytes, Samples, times } from './figures.mjs';
import { names, startFastOrigin } from './origins.mjs';
import { startPeers } from './peers.mjs';
import { curl, finished } from './readers.mjs';

// A whole file that nobody has read yet, from an origin as fast as the machine.

export const title = 'whole file, cold, fast origin';

/** @param {import('./figures.mjs').BenchOptions} options @returns {Promise<import('./figures.mjs').Figure[]>} */
export async function run({ quick, fullSize }) {
  const rounds = quick ? 3 : 7;
  const size = fullSize ? GIB : 256 * MIB;
  const resources = names('film', rounds + 1);
  const origin = await startFastOrigin({ size, names: resources });
  const caches = await startPeers(origin.url);
  const samples = new Samples();
  for (const [round, resource] of resources.entries()) {
    for (const cache of inTurn(caches, round)) {
      // What the one before left to be written is not the next one's work.
      await finished('sync', []);
      const { rate } = await curl(await cache.urlOf(resource), size);
      // The first file of each also warms up the processes.
      if (round > 0) samples.add(cache.name, rate);
    }
  }
  for (const cache of caches) await cache.stop();
  await origin.stop();

  const values = samples.medians();
  const others = [values.nginx, values.rclone].filter((rate) => rate !== undefined);
  const ratio = others.length === 0 ? null : (values.seekwell ?? Number.NaN) / Math.max(...others);
  return [
    {
      what: `whole file of ${size / MIB} MiB, cold, fast origin`,
      reach: 'faster than both',
      columns: columnsOf(values, megabytes),
      ratio: times(ratio, 'the faster'),
      ok: ratio === null ? null : ratio > 1,
      bars: { label: 'whole file, cold, fast origin', better: 'higher', values },
    },
  ];
}
