import { createHash } from 'node:crypto';
import type { CacheOptions } from '#seekwell/cache-options';
import { asSeekwellError, type ErrorCode, isSeekwellError } from '#seekwell/errors';
import { Auditor } from './auditor.ts';
import { endsWell } from './calm.ts';
import { type Life, Scheduler } from './scheduler.ts';
import { SeededRandom } from './seeded-random.ts';
import { processName, type SimulatedDatabase } from './simulated-database.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { SimulatedNetwork, SimulatedResource } from './simulated-origin.ts';
import { type Machine, SimulatedProcess, type Wraps } from './simulated-process.ts';
import { keyOf, type ReaderPlan, type ReadingEnd, SimulatedReader } from './simulated-reader.ts';
import { SimulationFailure } from './simulation-failure.ts';
import { type Crowd, planOf, type SimulationPlan } from './simulation-plan.ts';
import { nextEvent } from './trouble.ts';

/** What a caller may hear of while something is broken. */
const EXPECTED: readonly ErrorCode[] = [
  'BAD_RANGE',
  'INCOMPLETE',
  'ENTRY_NOT_FOUND',
  'ORIGIN_MISSING',
  'ORIGIN_REFUSED',
  'ORIGIN_UNREACHABLE',
  'ORIGIN_TIMEOUT',
  'ORIGIN_WRONG',
  'ORIGIN_CHANGED',
  'STORAGE_FAILED',
  'DATABASE_BUSY',
  'CLOSED',
];

export interface SimulationResult {
  readonly seed: number;
  /** Of every line of the log: equal for equal histories. */
  readonly hash: string;
  readonly steps: number;
  /** Milliseconds of the simulated world. */
  readonly elapsed: number;
  readonly failure: SimulationFailure | null;
  /** How often what happened. */
  readonly counts: ReadonlyMap<string, number>;
}

/** One world, from its seed to its end. */
export class Simulation {
  readonly plan: SimulationPlan;
  readonly random: SeededRandom;
  readonly scheduler: Scheduler;
  readonly machine: Machine;
  readonly auditor: Auditor;
  readonly database: SimulatedDatabase;
  readonly disk: SimulatedDisk;
  readonly network: SimulatedNetwork;
  /** What happens to the world itself outlives every process. */
  readonly world: Life = { alive: true };
  /** By place; null: nobody lives there now. */
  readonly processes: (SimulatedProcess | null)[] = [];
  /** Readings and other wishes under way in processes that live. */
  readonly underWay = new Map<object, Life>();
  readonly #seed: number;
  readonly #print: ((line: string) => void) | null;
  readonly #hash = createHash('sha256');
  #failure: SimulationFailure | null = null;
  #numbers = 0;
  #dirty = true;
  #filesSeen = 0;

  constructor(seed: number, database: SimulatedDatabase, wraps: Wraps, print: ((line: string) => void) | null, crowd: Crowd) {
    this.#seed = seed;
    this.#print = print;
    this.random = new SeededRandom(seed);
    this.plan = planOf(this.random, crowd);
    this.scheduler = new Scheduler(this.random);
    this.database = database;
    const { scheduler, random, plan } = this;
    const committed = (): void => this.#committed();
    const log = (line: string): void => this.log(line);
    database.begin({ scheduler, random, losesPower: plan.faults.has('power'), committed, log });
    this.disk = new SimulatedDisk(random);
    this.network = new SimulatedNetwork(
      plan.resources.map((traits, index) => new SimulatedResource(index, traits, random)),
      random,
      log,
    );
    const options: CacheOptions = { cacheDir: '/simulated' };
    const mayRun = (name: string): boolean => !plan.knowsTheDead || this.processes.some((process) => process?.name === name);
    this.machine = {
      scheduler,
      random,
      database,
      disk: this.disk,
      network: this.network,
      settings: plan.settings,
      options,
      wraps,
      log,
      mayRun,
    };
    this.auditor = new Auditor(database, this.disk, this.network.resources, plan.settings.quota);
  }

  async run(): Promise<SimulationResult> {
    const noticed = (error: unknown): void => this.fail(unnamed(error));
    process.on('unhandledRejection', noticed);
    try {
      this.log(`plan ${JSON.stringify({ ...this.plan, faults: [...this.plan.faults] })}`);
      for (let place = 0; place < this.plan.processes; place++) this.start(place);
      for (let event = 0; event < this.plan.events; event++) await this.pass(nextEvent(this));
      await endsWell(this);
    } catch (error) {
      this.fail(error instanceof SimulationFailure ? error : unnamed(error));
    } finally {
      this.world.alive = false;
      for (const living of this.processes) if (living !== null) living.life.alive = false;
      process.off('unhandledRejection', noticed);
    }
    const { now: elapsed, steps } = this.scheduler;
    if (this.#failure !== null) this.log(`failed: ${this.#failure.invariant}: ${this.#failure.message}`);
    return {
      seed: this.#seed,
      hash: this.#hash.digest('hex').slice(0, 16),
      steps,
      elapsed,
      failure: this.#failure,
      counts: this.network.counts,
    };
  }

  /** Lets `ms` milliseconds pass, or less where `isOver` comes true. */
  async pass(ms: number, isOver: () => boolean = () => false): Promise<boolean> {
    const until = this.scheduler.now + ms;
    // Time passes even when nothing is to come.
    this.scheduler.after(ms, this.world, () => {});
    return this.scheduler.run(
      until,
      () => this.#failure !== null || isOver(),
      () => this.#audit(),
    );
  }

  log(line: string): void {
    const stamped = `${this.scheduler.now.toFixed(3)} ${line}`;
    this.#hash.update(stamped).update('\n');
    this.#print?.(stamped);
  }

  count(what: string): void {
    this.network.count(what);
  }

  fail(failure: SimulationFailure): void {
    this.#failure ??= failure;
  }

  get failed(): boolean {
    return this.#failure !== null;
  }

  start(place: number): SimulatedProcess {
    const started = new SimulatedProcess(this.machine, this.#numbers++);
    this.processes[place] = started;
    this.log(`${started.number} starts`);
    return started;
  }

  kill(place: number): void {
    const killed = this.processes[place];
    if (killed === null || killed === undefined) return;
    killed.life.alive = false;
    this.processes[place] = null;
    this.log(`${killed.number} is killed`);
    this.count('killed');
  }

  /** The system does not let a process run for `ms` milliseconds; others do not notice. */
  freeze(place: number, ms: number): void {
    const { life, number } = this.processes[place] as SimulatedProcess;
    life.frozenUntil = this.scheduler.now + ms;
    this.log(`${number} stands still for ${ms} ms`);
  }

  /** Every process dies; what was not durable is gone. */
  cutPower(): void {
    this.log('the power is cut');
    for (let place = 0; place < this.processes.length; place++) this.kill(place);
    this.disk.cutPower();
    const lost = this.database.cutPower();
    this.log(`${lost} commits never were`);
    this.count(lost > 0 ? 'power cut that took commits' : 'power cut');
    this.#dirty = true;
    this.#audit();
  }

  /** Ends a process in good order. */
  close(place: number): void {
    const closing = this.processes[place];
    if (closing === null || closing === undefined || closing.closing) return;
    closing.closing = true;
    this.wish(closing, 'close', async () => {
      await closing.cache.close();
      closing.life.alive = false;
      this.processes[place] = null;
      this.database.forget(closing.number);
      const held = this.auditor.leases().filter(({ owner }) => owner === processName(closing.number));
      if (held.length > 0 && !this.plan.faults.has('database'))
        throw new SimulationFailure('rest', `process ${closing.number} ended, and holds ${JSON.stringify(held)}`);
    });
  }

  /** Has `process` do something that takes time; what it fails with must have a name. */
  wish(process: SimulatedProcess, what: string, work: () => Promise<unknown>): void {
    const token = {};
    this.underWay.set(token, process.life);
    this.log(`${process.number} ${what}`);
    this.#settle(process, what, work).finally(() => this.underWay.delete(token));
  }

  /** Has `process` read as `plan` says. */
  read(process: SimulatedProcess, plan: ReaderPlan, ended: (end: ReadingEnd) => void = () => {}): void {
    const spec = JSON.stringify(plan.spec);
    this.wish(process, `reads ${plan.resource.index} ${spec}`, async () => {
      const reader = new SimulatedReader(process, plan, () => this.random.fraction());
      const end = await reader.run();
      const told = typeof end === 'string' ? end : end.code;
      this.log(`${process.number} has read ${plan.resource.index} ${spec}: ${told} after ${reader.received}`);
      this.count(`reader: ${told}`);
      ended(end);
      if (typeof end !== 'string') throw end;
    });
  }

  async register(process: SimulatedProcess, resource: SimulatedResource): Promise<void> {
    const { sourceId: source, mediaId: media } = keyOf(resource);
    await process.cache.add({ url: resource.url, source, media });
  }

  async #settle(process: SimulatedProcess, what: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof SimulationFailure) return this.fail(error);
      if (!isSeekwellError(error, ...EXPECTED)) return this.fail(unnamed(error));
      this.log(`${process.number} ${what}: ${error.code} ${error.message}`);
    }
  }

  #committed(): void {
    this.#dirty = true;
    for (const { life, changed } of this.database.watchers) {
      // A hint that may not come.
      if (this.random.chance(0.9)) this.scheduler.after(this.random.fraction() * 5, life, changed);
    }
  }

  #audit(): void {
    if (this.#failure !== null || (!this.#dirty && this.#filesSeen === this.disk.changes)) return;
    this.#dirty = false;
    this.#filesSeen = this.disk.changes;
    try {
      this.auditor.check();
    } catch (error) {
      this.fail(error instanceof SimulationFailure ? error : unnamed(error));
    }
  }
}

function unnamed(error: unknown): SimulationFailure {
  const { cause, code, message } = asSeekwellError(error);
  const { stack } = (cause ?? error) as Error;
  return new SimulationFailure('named errors', `${code}: ${message}\n${stack ?? ''}`);
}
