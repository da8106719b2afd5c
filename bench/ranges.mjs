import { columnsOf, inTurn, MIB, over, perSecond, Samples, times } from './figures.mjs';
import { names, startFastOrigin } from './origins.mjs';
import { startPeers } from './peers.mjs';
import { curl } from './readers.mjs';
import { readRanges } from './wrk.mjs';

// Ranges at random places of a cached file, 16 clients with kept-alive connections.

/** @typedef {import('./figures.mjs').Figure} Figure */
/** @typedef {{ length: number, processes: number, seconds: number, rounds: number }} Work */

export const title = 'ranges, warm, 16 clients';

const SIZE = 256 * MIB;
const CLIENTS = 16;
const KIB = 1024;

/** @param {import('./figures.mjs').BenchOptions} options @returns {Promise<Figure[]>} */
export async function run({ quick }) {
  const rounds = quick ? 3 : 5;
  const seconds = quick ? 2 : 4;
  const [resource = ''] = names('film', 1);
  const origin = await startFastOrigin({ size: SIZE, names: [resource] });
  const figures = [];
  for (const processes of [1, 2]) {
    const caches = await startPeers(origin.url, { processes });
    /** @type {Target[]} */
    const targets = [];
    for (const { name, pid, urlOf } of caches) targets.push({ name, pid, url: await urlOf(resource) });
    for (const { url } of targets) await curl(url, SIZE);
    const large = await measure(targets, { length: 4 * MIB, processes, seconds, rounds });
    figures.push(...largeFigures(processes, large));
    if (processes === 1) figures.push(...smallFigures((await measure(targets, { length: 64 * KIB, processes, seconds, rounds })).rates));
    for (const cache of caches) await cache.stop();
  }
  await origin.stop();
  return figures;
}

/** @typedef {{ name: import('./peers.mjs').PeerName, pid: number, url: string }} Target */

/** @param {Target[]} targets @param {Work} work */
async function measure(targets, { length, processes, seconds, rounds }) {
  const [rates, cpu] = [new Samples(), new Samples()];
  for (let round = 0; round < rounds; round++) {
    for (const { name, url, pid } of inTurn(targets, round)) {
      const load = await readRanges(url, { size: SIZE, length, clients: CLIENTS, threads: processes, seconds, serverPid: pid });
      rates.add(name, load.requestsPerSecond);
      cpu.add(name, load.cpuSecondsPerGigabyte);
    }
  }
  return { rates: rates.medians(), cpu: cpu.medians() };
}

/** @param {number} processes @param {{ rates: import('./figures.mjs').Values, cpu: import('./figures.mjs').Values }} measured @returns {Figure[]} */
function largeFigures(processes, { rates, cpu }) {
  const what = `4 MiB ranges, warm, 16 clients, ${processes === 1 ? 'one process' : `${processes} processes`} each`;
  const [rate, cost] = [over(rates, 'nginx'), over(cpu, 'nginx')];
  const bars = { label: '4 MiB ranges, warm, 16 clients', better: /** @type {const} */ ('higher'), values: rates };
  return [
    { what, reach: '1x nginx', columns: columnsOf(rates, perSecond), ratio: times(rate, 'nginx'), ok: rate === null ? null : rate >= 1, bars: processes === 1 ? bars : null },
    {
      what: `${what}: CPU seconds per GB`,
      reach: 'at most 1.5x nginx',
      columns: columnsOf(cpu, (value) => `${value.toFixed(2)} s`),
      ratio: times(cost, 'nginx'),
      ok: cost === null ? null : cost <= 1.5,
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
