import { inTurn, MIB, median, times } from './figures.mjs';
import { names, startSlowOrigin } from './origins.mjs';
import { startPeer } from './peers.mjs';
import { readComputed, sleep } from './readers.mjs';
import { newFolder } from './started-things.mjs';

// Two daemons on one folder, one of which is killed while both fetch: how often the origin has to give each byte, so that the other one can serve its readers.
// Counted is what the origin wrote to its sockets: what was under way in them, or not yet recorded, when the process died has to come again.

export const title = 'origin bytes per distinct byte, one of two daemons is killed';

/** Of each daemon. */
const READERS = 8;
const CONNECTION_RATE = 4 * MIB;

/** @param {import('./figures.mjs').BenchOptions} options @returns {Promise<import('./figures.mjs').Figure[]>} */
export async function run({ quick }) {
  const size = (quick ? 64 : 256) * MIB;
  const resources = names('film', quick ? 1 : 3);
  const origin = await startSlowOrigin({ size, names: resources, connectionRate: CONNECTION_RATE });
  const folder = newFolder('two-daemons');
  const survivor = await startPeer('seekwell', origin.url, { folder });
  /** @type {number[]} */
  const ratios = [];
  for (const [round, resource] of resources.entries()) {
    const victim = await startPeer('seekwell', origin.url, { folder });
    await origin.reset();
    // Who comes first fetches most of it.
    const [first, second] = inTurn([victim, survivor], round);
    const early = readers(await /** @type {typeof victim} */ (first).urlOf(resource), size);
    await sleep(100);
    const late = readers(await /** @type {typeof victim} */ (second).urlOf(resource), size);
    const [lost, kept] = first === victim ? [early, late] : [late, early];
    const ends = Promise.allSettled(lost);
    while ((await origin.stats()).bodyBytes < size / 3) await sleep(20);
    process.kill(victim.pid, 'SIGKILL');
    await Promise.all(kept);
    await ends;
    while ((await origin.stats()).active > 0) await sleep(50);
    ratios.push((await origin.stats()).bodyBytes / size);
  }
  await survivor.stop();
  await origin.stop();
  const ratio = median(ratios);
  return [
    {
      what: `origin bytes per distinct byte, two daemons with ${READERS} readers each, one is killed (${size / MIB} MiB, 4 MiB/s a connection)`,
      reach: '1.05',
      columns: { seekwell: ratio.toFixed(3) },
      ratio: times(ratio),
      ok: ratio <= 1.05,
      bars: null,
    },
  ];
}

/** @param {string} url @param {number} size */
function readers(url, size) {
  return Array.from({ length: READERS }, () => readComputed(url, { size }));
}
