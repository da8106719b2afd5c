import { ok } from 'node:assert/strict';
import * as fc from 'fast-check';
import { PRIORITY, type Priority } from '#seekwell/core/priority';
import type { CacheRepository } from '#seekwell/repository/cache-repository';
import type { Committer } from '#seekwell/repository/sqlite/sqlite-repository';
import { PlainDatabase } from '../../../scripts/plain-database.mjs';
import { openInPlace } from '../test-database.ts';
import { WORLD } from './simulated-disk.ts';
import type { Naming } from './simulated-origin.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import { prepareLook, type Rules, SimulatedWorld } from './simulated-world.ts';

/** The most processes that a history ends. */
const MAX_KILLS = 6;

/** One event. What `n` means depends on `what`. */
export interface Event {
  readonly what: keyof typeof events;
  readonly process: number;
  readonly entry: number;
  readonly n: number;
}

/** A random history, as data: running it twice does the same. */
export interface History {
  readonly naming: Naming;
  readonly quota: number | null;
  readonly events: readonly Event[];
}

type Act = (world: SimulatedWorld, process: SimulatedProcess, event: Event) => unknown;

/** The start often, where players begin and where fetches therefore meet. */
function offsetOf(n: number): number {
  return n % 3 === 0 ? 0 : n % WORLD;
}

const events = {
  run: (world, _process, { n }) => world.run(n),
  read: async (world, process, { entry, n }) => process.fetch((await world.entry(entry)).id, offsetOf(n), PRIORITY.CRITICAL),
  lookAhead: async (world, process, { entry, n }) => process.fetch((await world.entry(entry)).id, offsetOf(n), PRIORITY.HIGH),
  background: (_world, process) => process.background(),
  renew: (_world, process) => process.renew(),
  fill: async (world, process, { entry }) => process.fill(await world.entry(entry)),
  prefetch: async (world, process, { entry, n }) => {
    const ranges = [{ start: n % WORLD, end: (n % WORLD) + 7 }];
    await process.repository.prefetch({ entryId: (await world.entry(entry)).id, ranges, chunkSize: 6 }, world.now);
  },
  pause: async (world, process, { entry }) => process.repository.pause((await world.entry(entry)).id, world.now),
  retry: async (world, process, { entry }) => process.repository.retry((await world.entry(entry)).id, world.now),
  change: async (world, _process, { entry }) => world.originOf(await world.entry(entry)).change(),
  evict: async (world, process, { entry }) => process.startRemoval(await world.entry(entry)),
  delete: async (world, process, { entry }) => process.startDeletion(await world.entry(entry)),
  collect: (_world, process) => process.startCollection(),
  wait: (world, _process, { n }) => {
    world.now += n * 40;
  },
  jump: (world, _process, { n }) => {
    world.now += (n % 2 === 0 ? 1 : -1) * n * 60_000;
  },
  kill: (world, _process, { process, n }) => world.kill(process, n % 2 === 0),
} satisfies Record<string, Act>;

/** How often each event comes, of 100 or so. */
const FREQUENCIES: Record<keyof typeof events, number> = {
  run: 100,
  read: 18,
  lookAhead: 8,
  background: 12,
  renew: 6,
  fill: 3,
  prefetch: 3,
  pause: 1,
  retry: 1,
  change: 3,
  evict: 8,
  delete: 1,
  collect: 1,
  wait: 6,
  jump: 1,
  kill: 3,
};

const event: fc.Arbitrary<Event> = fc.record({
  what: fc.oneof(...Object.entries(FREQUENCIES).map(([what, weight]) => ({ arbitrary: fc.constant(what as keyof typeof events), weight }))),
  process: fc.nat(2),
  // Mostly one entry, so that its fetches meet.
  entry: fc.oneof({ arbitrary: fc.constant(0), weight: 3 }, { arbitrary: fc.constant(1), weight: 1 }),
  n: fc.nat(99),
});

export const history: fc.Arbitrary<History> = fc.record({
  naming: fc.constantFrom<Naming>('etag', 'length', 'no-length'),
  quota: fc.constantFrom(null, 20, 35),
  events: fc.array(event, { minLength: 100, maxLength: 250, size: 'max' }),
});

export interface HistoryOptions {
  readonly rules?: Partial<Rules>;
  /** Puts something between the repositories and the database. */
  readonly wrap?: (committer: Committer, database: PlainDatabase) => Committer;
}

/** Runs histories, one after the other, on one database. */
export class HistoryRunner {
  /** How often what happened. */
  readonly counts = new Map<string, number>();
  readonly #database: PlainDatabase;
  readonly #look: ReturnType<typeof prepareLook>;
  readonly #repositories: readonly CacheRepository[];
  readonly #rules: Rules;

  constructor(path: string, { rules = {}, wrap = (committer) => committer }: HistoryOptions = {}) {
    this.#database = new PlainDatabase(path);
    this.#look = prepareLook(this.#database);
    this.#rules = { syncsBeforeCommit: true, removesRowsFirst: true, ...rules };
    const owners = Array.from({ length: 3 + MAX_KILLS + 1 }, (_, index) => `process-${index}`);
    this.#repositories = owners.map((owner) => openInPlace(path, owner, (committer) => wrap(committer, this.#database)));
  }

  async close(): Promise<void> {
    for (const repository of this.#repositories) await repository.close();
    this.#database.close();
  }

  /** A world in which nothing has happened yet. The one before it ends. */
  newWorld(given: Pick<History, 'naming' | 'quota'>): SimulatedWorld {
    this.#database.exec('PRAGMA foreign_keys = ON; DELETE FROM cache_entries; DELETE FROM cache_trash');
    return new SimulatedWorld({ ...given, look: this.#look, repositories: this.#repositories, rules: this.#rules, counts: this.counts });
  }

  /** Rejects where an invariant does not hold after some event. */
  async run({ naming, quota, events: happening }: History, { recovers = quota === null } = {}): Promise<void> {
    const world = this.newWorld({ naming, quota });
    let kills = 0;
    for (const next of happening) {
      if (next.what === 'kill' && ++kills > MAX_KILLS) continue;
      const process = world.processes[next.process] as SimulatedProcess;
      const act: Act = events[next.what];
      await act(world, process, next);
      world.expectInvariants();
    }
    if (recovers) await this.#expectRecovery(world);
  }

  /** Whatever happened: one process that starts now completes every entry. */
  async #expectRecovery(world: SimulatedWorld): Promise<void> {
    world.kill(0, true);
    world.now += 100_000_000;
    const process = world.processes[0] as SimulatedProcess;
    for (const index of [0, 1]) {
      for (let tries = 0; (await this.#stateOf(world, index)) !== 'Complete'; tries++) {
        ok(tries < 30, 'an entry cannot be completed');
        const entry = await world.entry(index);
        const [hole] = await process.repository.missingRanges(entry.id, { start: 0, end: WORLD });
        process.fetch(entry.id, hole?.start ?? 0, PRIORITY.CRITICAL as Priority);
        while (process.underWay > 0) await process.run(0);
        world.expectInvariants();
      }
    }
  }

  async #stateOf(world: SimulatedWorld, index: number): Promise<string | undefined> {
    const entry = await world.entry(index);
    return (await (world.processes[0] as SimulatedProcess).repository.state(entry))?.state;
  }
}
