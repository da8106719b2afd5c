import { LEASE_MS } from '#seekwell/repository/cache-repository';
import { FAIR_DATABASE } from './simulated-database.ts';
import { FAIR_DISK } from './simulated-disk.ts';
import { FAIR_NETWORK, type SimulatedResource } from './simulated-origin.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import type { ReadingEnd } from './simulated-reader.ts';
import type { Simulation } from './simulation.ts';
import { SimulationFailure } from './simulation-failure.ts';

/** What was under way when faults stopped ends within this time, in milliseconds: bodies that fell silent, patience, an open backoff of 30 s. */
const SETTLE_MS = 120_000;
/** One reader gets everything within this time, in milliseconds. */
const READ_MS = 90_000;
/** A version may be found to be another one so often before a reader is served: once recorded, once under way. */
const TRIES = 3;
/** For so long an origin that changed too often is not cached, in milliseconds. */
const UNSTABLE_MS = 10 * 60_000;
/** Background work is done within this time, in milliseconds: a backoff lasts at most 60 s here, and each entry waits for its own. */
const FILL_MS = 10 * 60_000;

const ROWS = 'SELECT COUNT(*) AS n FROM cache_download_queue';
const FILL_ALLOWED = 'SELECT fill_allowed AS fill FROM cache_entries WHERE id = ?';

/** Faults stop: what can be served is served, what can be completed is, and then nothing runs any more. @throws SimulationFailure */
export async function endsWell(simulation: Simulation): Promise<void> {
  becomeCalm(simulation);
  await expectRest(simulation, SETTLE_MS, 'what was under way when faults stopped');
  await expectQueueWorkedOff(simulation);
  for (let place = 0; place < simulation.processes.length; place++) if (simulation.processes[place] === null) simulation.start(place);
  await readEverything(simulation);
  await expectComplete(simulation);
  // What a killed process held is given back by whoever is there when it ends.
  await simulation.pass(2 * LEASE_MS);
  for (let place = 0; place < simulation.processes.length; place++) simulation.close(place);
  await expectRest(simulation, SETTLE_MS, 'the end of the processes');
  if (simulation.failed) return;
  if (simulation.scheduler.pending > 0) await simulation.pass(1_000_000);
  const leases = simulation.auditor.leases().filter(({ owner }) => owner !== null);
  const { quota } = simulation.plan.settings;
  if (leases.length > 0 && quota === null)
    throw new SimulationFailure('rest', `all have ended, and leases are left: ${JSON.stringify(leases)}`);
}

function becomeCalm(simulation: Simulation): void {
  const { random, plan, processes } = simulation;
  // The last one: what a dead process leaves must not wait for whoever is started next.
  if (plan.faults.has('kill') && random.chance(0.5)) simulation.kill(random.between(0, processes.length - 1));
  simulation.log('faults stop');
  for (const resource of simulation.network.resources) resource.weather = FAIR_NETWORK;
  simulation.disk.weather = FAIR_DISK;
  simulation.database.weather = FAIR_DATABASE;
}

/** Nobody waits for anything any more. */
async function expectRest(simulation: Simulation, ms: number, what: string): Promise<void> {
  const isOver = (): boolean => [...simulation.underWay.values()].every(({ alive }) => !alive);
  const over = await simulation.pass(ms, isOver);
  if (!over && !isOver() && !simulation.failed) throw new SimulationFailure('progress', `${what} does not end within ${ms} ms`);
}

/** What stands in the queue comes without a reader. */
async function expectQueueWorkedOff(simulation: Simulation): Promise<void> {
  const rows = (): number => (simulation.database.ask(ROWS) as { n: number }).n;
  const { quota } = simulation.plan.settings;
  if (quota !== null || simulation.failed || rows() === 0 || simulation.processes.every((process) => process === null)) return;
  await simulation.pass(FILL_MS, () => rows() === 0);
  if (rows() > 0 && !simulation.failed) throw new SimulationFailure('progress', `${rows()} rows are left in the queue`);
}

async function readEverything(simulation: Simulation): Promise<void> {
  for (const process of simulation.processes as SimulatedProcess[]) {
    for (const resource of simulation.network.resources) if (!simulation.failed) await readAll(simulation, process, resource);
  }
}

async function readAll(simulation: Simulation, process: SimulatedProcess, resource: SimulatedResource): Promise<void> {
  const ends: string[] = [];
  while (ends.length < TRIES && !simulation.failed) {
    let end: ReadingEnd | null = null;
    simulation.wish(process, `wants all of ${resource.index}`, () => simulation.register(process, resource));
    await expectRest(simulation, READ_MS, 'registering');
    const plan = { resource, spec: null, bufferSize: 256 * 1024, rest: 0, leavesAfter: Number.POSITIVE_INFINITY, mayFetch: true };
    simulation.read(process, plan, (told) => {
      end = told;
    });
    await expectRest(simulation, READ_MS, `process ${process.number} reading all of resource ${resource.index}`);
    if (end === 'served') return;
    const told = end as ReadingEnd | null;
    ends.push(told === null ? 'nothing' : typeof told === 'string' ? told : `${told.code} (${told.message})`);
    await simulation.pass(100);
  }
  if (!simulation.failed)
    throw new SimulationFailure(
      'progress',
      `process ${process.number} cannot read resource ${resource.index} in peace: ${ends.join(', ')}`,
    );
}

/** What may be filled becomes complete, if a reader comes by once more. */
async function expectComplete(simulation: Simulation): Promise<void> {
  const { fill, quota } = simulation.plan.settings;
  if (!fill || quota !== null || simulation.failed) return;
  const open = (): string[] =>
    simulation.auditor
      .entries()
      .flatMap(({ state, media, id }) => (state === 'Complete' || !mayFill(simulation, id) ? [] : [`${media} is ${state}`]));
  if (await simulation.pass(FILL_MS, () => open().length === 0)) return;
  await simulation.pass(UNSTABLE_MS);
  await readEverything(simulation);
  await simulation.pass(FILL_MS, () => open().length === 0);
  if (open().length > 0 && !simulation.failed) throw new SimulationFailure('progress', `in peace, ${open().join(', ')}`);
}

function mayFill(simulation: Simulation, id: number): boolean {
  const row = simulation.database.ask(FILL_ALLOWED, id) as { fill: number };
  return row.fill === 1;
}
