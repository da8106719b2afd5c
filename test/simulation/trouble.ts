import type { RangeSpec } from '#seekwell/core/http-range';
import { FAIR_DATABASE } from './simulated-database.ts';
import { FAIR_DISK } from './simulated-disk.ts';
import { FAIR_NETWORK, type SimulatedResource } from './simulated-origin.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import { keyOf } from './simulated-reader.ts';
import type { Simulation } from './simulation.ts';
import type { Fault } from './simulation-plan.ts';

type Act = (simulation: Simulation, process: SimulatedProcess, resource: SimulatedResource) => void;

const HOUR = 3_600_000;

function rangeIn(simulation: Simulation, { current }: SimulatedResource): RangeSpec | null {
  const { random } = simulation;
  const start = random.chance(0.4) ? 0 : random.between(0, random.chance(0.05) ? current.size + 10 : current.size - 1);
  switch (random.weighted({ all: 2, from: 4, some: 5, suffix: 2 })) {
    case 'all':
      return null;
    case 'from':
      return { kind: 'from', start, end: null };
    case 'suffix':
      return { kind: 'suffix', length: random.between(1, current.size) };
    default:
      return { kind: 'from', start, end: start + random.between(0, Math.ceil(current.size / 2)) };
  }
}

/** What a user asks of an entry that is there. */
function ask(what: string, work: (process: SimulatedProcess, id: number) => Promise<unknown>): Act {
  return (simulation, process, resource) =>
    simulation.wish(process, `${what} ${resource.index}`, async () => {
      const entry = await process.cache.find(keyOf(resource));
      if (entry !== null) await work(process, entry.id);
    });
}

/** A disk that does not keep what it was given: other bytes, or a file that ends too early. Only blocks with a checksum: nothing could tell others. */
function damage(simulation: Simulation): void {
  const { random, disk } = simulation;
  const block = random.pick(simulation.auditor.summed().filter(({ path }) => disk.files.get(path)?.named));
  const file = disk.files.get(block?.path ?? '');
  if (block === undefined || file === undefined) return;
  const { start, end } = block.range;
  const at = random.between(start, end);
  file.sync();
  // What lies behind the file's end would read as zeros once it grows again, in blocks without a checksum too.
  if (block.all && random.chance(0.3)) file.cutShort(at);
  else file.rot(at, Math.min(end, at + random.pick([0, 511, 4_095])));
  simulation.count('damaged');
  simulation.log(`${block.path} is damaged at ${at}`);
}

const acts = {
  read: (simulation, process, resource) => {
    const { random } = simulation;
    const rest = random.pick([0, 0, 20, 300]);
    const plan = {
      resource,
      spec: rangeIn(simulation, resource),
      // The slowest player takes some seconds for all of it.
      bufferSize: Math.max(random.pick([1_000, 64 * 1024, 64 * 1024]), Math.ceil(resource.current.size / 40)),
      rest,
      leavesAfter: random.chance(0.5) ? Number.POSITIVE_INFINITY : random.between(0, resource.current.size),
      mayFetch: random.chance(0.95),
    };
    simulation.read(process, plan);
  },
  register: (simulation, process, resource) =>
    simulation.wish(process, `registers ${resource.index}`, () => simulation.register(process, resource)),
  prefetch: (simulation, process, resource) => {
    const spec = rangeIn(simulation, resource);
    const act = ask('prefetches', (there, id) => there.cache.requestPrefetch(id, spec === null ? null : [spec]));
    act(simulation, process, resource);
  },
  pause: ask('pauses', (process, id) => process.cache.pause(id)),
  resume: ask('resumes', (process, id) => process.cache.resume(id)),
  state: ask('asks for the state of', (process, id) => process.cache.infoOf(id)),
  remove: ask('removes', (process, id) => process.cache.remove(id)),
  lose: (simulation) => {
    const { disk, random } = simulation;
    // While one is being fetched into, its name may be made anew before anybody notices: nothing but checksums tells its holes then.
    const path = random.pick(simulation.auditor.entries().filter(({ state, path }) => state === 'Complete' && disk.files.has(path)))?.path;
    if (path === undefined) return;
    disk.lose(path);
    simulation.log(`${path} is lost`);
  },
  rot: (simulation) => {
    // What a process has held against its checksum it does not check again: the machine was off when this happened.
    for (let place = 0; place < simulation.processes.length; place++) simulation.kill(place);
    simulation.database.switchOff();
    damage(simulation);
  },
  verify: ask('verifies', (process, id) => process.cache.verify(id, { repair: id % 2 === 0 })),
  freeze: (simulation, process) => {
    const { random } = simulation;
    simulation.freeze(simulation.processes.indexOf(process), random.between(1, random.pick([1_000, 5_000, 20_000])));
  },
  change: (simulation, process, resource) => {
    const { naming, givesLength } = resource.traits;
    // Nothing could tell the versions apart: nobody promises to.
    if (naming === 'nothing' && !givesLength) return;
    resource.change();
    simulation.log(`resource ${resource.index} has version ${resource.current.number} now, of ${resource.current.size} bytes`);
    // Somebody notices while others still get the old one.
    if (simulation.random.chance(0.5)) wantToRead(simulation, process, resource);
  },
  expire: (simulation, _process, resource) => {
    resource.signature++;
    simulation.log(`links to ${resource.index} have expired`);
  },
  network: (simulation, _process, resource) => {
    const { random } = simulation;
    const often = (): number => (random.chance(0.4) ? random.fraction() * 0.6 : 0);
    resource.weather = random.chance(0.3)
      ? FAIR_NETWORK
      : {
          latency: random.pick([1, 40, 400]),
          gap: random.pick([1, 8, 100]),
          unreachable: often(),
          overloaded: often(),
          refused: often() / 3,
          wrongRange: often(),
          reset: often(),
          stall: often() / 2,
        };
    simulation.log(`network to ${resource.index}: ${JSON.stringify(resource.weather)}`);
  },
  disk: (simulation) => {
    const { random } = simulation;
    const often = (): number => (random.chance(0.4) ? random.fraction() * 0.5 : 0);
    const free = random.chance(0.3) ? random.between(0, 200_000) : Number.POSITIVE_INFINITY;
    simulation.disk.weather = random.chance(0.4)
      ? FAIR_DISK
      : { writeFails: often(), syncFails: often(), readFails: often() / 4, latency: random.pick([0.1, 2, 50]), free };
    simulation.log(`disk: ${JSON.stringify(simulation.disk.weather)}`);
  },
  database: (simulation) => {
    const { random } = simulation;
    const often = (): number => (random.chance(0.5) ? random.fraction() * 0.3 : 0);
    simulation.database.weather = random.chance(0.4)
      ? FAIR_DATABASE
      : { busy: often(), full: often(), latency: random.pick([0.1, 3, 100, 3_000]) };
    simulation.log(`database: ${JSON.stringify(simulation.database.weather)}`);
  },
  kill: (simulation, process) => {
    simulation.kill(simulation.processes.indexOf(process));
    // A machine that comes back may not know what time it is.
    if (simulation.plan.faults.has('clock') && simulation.random.chance(0.3)) acts.clock(simulation);
  },
  end: (simulation, process) => simulation.close(simulation.processes.indexOf(process)),
  power: (simulation) => simulation.cutPower(),
  clock: (simulation) => {
    const { random, scheduler } = simulation;
    const jump = random.pick([-1, 1]) * random.between(1, random.pick([1_500, 60_000, 30 * 24 * HOUR]));
    scheduler.wallOffset += jump;
    simulation.log(`the clock jumps by ${jump}`);
  },
} satisfies Record<string, Act>;

/** A player has the URL from somewhere: the entry is there. */
function wantToRead(simulation: Simulation, process: SimulatedProcess, resource: SimulatedResource): void {
  simulation.wish(process, `wants ${resource.index}`, async () => {
    if ((await process.cache.find(keyOf(resource))) === null) await simulation.register(process, resource);
    acts.read(simulation, process, resource);
  });
}

type What = keyof typeof acts;

/** How often each comes. */
const WEIGHTS: Record<What, number> = {
  read: 40,
  register: 3,
  prefetch: 5,
  pause: 2,
  resume: 3,
  state: 4,
  remove: 3,
  lose: 2,
  rot: 3,
  verify: 2,
  freeze: 4,
  change: 5,
  expire: 2,
  network: 7,
  disk: 5,
  database: 4,
  kill: 6,
  end: 1,
  power: 3,
  clock: 4,
};

/** What comes only where its kind of trouble is part of the plan. */
const NEEDS: Partial<Record<What, Fault>> = {
  remove: 'removal',
  lose: 'loss',
  rot: 'rot',
  freeze: 'freeze',
  change: 'change',
  expire: 'links',
  network: 'network',
  disk: 'disk',
  database: 'database',
  kill: 'kill',
  end: 'kill',
  power: 'power',
  clock: 'clock',
};

/** Does one thing; returns how many milliseconds pass until the next one. */
export function nextEvent(simulation: Simulation): number {
  const { random, plan, network, processes } = simulation;
  const empty = processes.indexOf(null);
  if (empty !== -1 && random.chance(0.4)) {
    simulation.start(empty);
    return random.fraction() * 20;
  }
  const living = processes.filter((process) => process !== null && !process.closing) as SimulatedProcess[];
  if (living.length === 0) return 100;
  const what = random.weighted(WEIGHTS);
  const needed = NEEDS[what];
  if (needed !== undefined && !plan.faults.has(needed)) return 0;
  const process = random.pick(living);
  const resource = random.pick(network.resources);
  if (what !== 'read') (acts[what] as Act)(simulation, process, resource);
  else wantToRead(simulation, process, resource);
  simulation.count(what);
  return random.fraction() * Number(random.weighted({ 0: 2, 30: 5, 400: 5, 3000: 2, 40000: 0.3 }));
}
