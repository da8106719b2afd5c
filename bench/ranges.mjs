import { columnsOf, inTurn, MIB, over, perSecond, Samples, times } from './figures.mjs';
import { names, startFastOrigin } from './origins.mjs';
import { startPeer, startPeers } from './peers.mjs';
import { curl } from './readers.mjs';
import { readRanges } from './wrk.mjs';

// Ranges at random places of a cached file, 16 clients with kept-alive connections.

/** @typedef {import('./figures.mjs').Figure} Figure */
/** @typedef {{ length: number, seconds: number, rounds: number }} Work */

export const title = 'ranges, warm, 16 clients';

const SIZE = 256 * MIB;
const CLIENTS = 16;
/** With one thread wrk is slower than nginx. */
const THREADS = 2;
const KIB = 1024;

/** @param {import('./figures.mjs').BenchOptions} options @returns {Promise<Figure[]>} */
export async function run({ quick }) {
  const rounds = quick ? 3 : 5;
  const seconds = quick ? 1 : 4;
  const [resource = ''] = names('film', 1);
  const origin = await startFastOrigin({ size: SIZE, names: [resource] });
  const caches = await startPeers(origin.url);
  const targets = await filled(caches, resource);
  const small = await measure(targets, { length: 64 * KIB, seconds, rounds });
  const large = await measure(targets, { length: 4 * MIB, seconds, rounds });
  const figures = [...smallFigures(small.rates), ...largeFigures('one process each', large)];

  const wide = caches.some(({ name }) => name === 'nginx') ? await startPeer('nginx', origin.url, { processes: 2 }) : null;
  if (wide !== null) {
    const others = targets.filter(({ name }) => name === 'seekwell');
    const both = [...others, ...(await filled([wide], resource))];
    figures.push(...largeFigures('nginx with 2 workers', await measure(both, { length: 4 * MIB, seconds, rounds })));
  }
  for (const cache of [...caches, wide]) await cache?.stop();
  await origin.stop();
  return figures;
}

/** Whom to ask, after everything is cached. @param {import('./peers.mjs').Cache[]} caches @param {string} resource @returns {Promise<Target[]>} */
async function filled(caches, resource) {
  const targets = await Promise.all(caches.map(async ({ name, pid, urlOf }) => ({ name, pid, url: await urlOf(resource) })));
  for (const { url } of targets) await curl(url, SIZE);
  return targets;
}

/** @typedef {{ name: import('./peers.mjs').PeerName, pid: number, url: string }} Target */

/** @param {Target[]} targets @param {Work} work */
async function measure(targets, { length, seconds, rounds }) {
  const [rates, cpu, both] = [new Samples(), new Samples(), new Samples()];
  for (let round = 0; round < rounds; round++) {
    for (const { name, url, pid } of inTurn(targets, round)) {
      const load = await readRanges(url, { size: SIZE, length, clients: CLIENTS, threads: THREADS, seconds, serverPid: pid });
      rates.add(name, load.requestsPerSecond);
      cpu.add(name, load.cpuSecondsPerGigabyte);
      both.add(name, load.cpuSecondsPerGigabyte + load.clientCpuSecondsPerGigabyte);
    }
  }
  return { rates: rates.medians(), cpu: cpu.medians(), both: both.medians() };
}

/**
 * @param {string} processes
 * @param {{ rates: import('./figures.mjs').Values, cpu: import('./figures.mjs').Values, both: import('./figures.mjs').Values }} measured
 * @returns {Figure[]}
 */
function largeFigures(processes, { rates, cpu, both }) {
  const what = `4 MiB ranges, warm, 16 clients, ${processes}`;
  const [rate, cost] = [over(rates, 'nginx'), over(cpu, 'nginx')];
  const bars = { label: '4 MiB ranges, warm, 16 clients', better: /** @type {const} */ ('higher'), values: rates };
  return [
    {
      what,
      reach: '1x nginx',
      columns: columnsOf(rates, perSecond),
      ratio: times(rate, 'nginx'),
      ok: rate === null ? null : rate >= 1,
      bars: rates.rclone === undefined ? null : bars,
    },
    {
      what: `${what}: CPU seconds per GB`,
      reach: 'at most 1.5x nginx',
      columns: columnsOf(cpu, (value) => `${value.toFixed(2)} s`),
      ratio: times(cost, 'nginx'),
      ok: cost === null ? null : cost <= 1.5,
      bars: null,
    },
    // What the kernel does for a connection it does in the time of either side: only both together tell what is spent.
    {
      what: `${what}: CPU seconds per GB, server and client`,
      reach: '',
      columns: columnsOf(both, (value) => `${value.toFixed(2)} s`),
      ratio: times(over(both, 'nginx'), 'nginx'),
      ok: null,
      bars: null,
    },
  ];
}

/** @param {import('./figures.mjs').Values} values @returns {Figure[]} */
function smallFigures(values) {
  const what = '64 KiB ranges, warm, 16 clients, one process each';
  const [nginx, rclone] = [over(values, 'nginx'), over(values, 'rclone')];
  const columns = columnsOf(values, perSecond);
  const bars = { label: '64 KiB ranges, warm, 16 clients', better: /** @type {const} */ ('higher'), values };
  return [
    { what, reach: '0.8x nginx', columns, ratio: times(nginx, 'nginx'), ok: nginx === null ? null : nginx >= 0.8, bars },
    { what, reach: '2x rclone', columns, ratio: times(rclone, 'rclone'), ok: rclone === null ? null : rclone >= 2, bars: null },
  ];
}
