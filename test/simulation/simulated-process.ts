import type { CacheOptions } from '#seekwell/cache-options';
import { assembleCache, type CacheParts } from '#seekwell/cache-parts';
import type { ChunkFile } from '#seekwell/chunk-store/chunk-store';
import type { DownloadSettings } from '#seekwell/downloads/download-settings';
import { FileCache } from '#seekwell/file-cache';
import type { Logger } from '#seekwell/logger';
import type { OriginClient } from '#seekwell/origin/origin-client';
import type { CacheRepository } from '#seekwell/repository/cache-repository';
import type { SqliteRepository } from '#seekwell/repository/sqlite/sqlite-repository';
import { type Life, type Scheduler, SimulatedClock } from './scheduler.ts';
import type { SeededRandom } from './seeded-random.ts';
import { processName, type SimulatedDatabase, type WrapCommitter } from './simulated-database.ts';
import { type SimulatedDisk, SimulatedStore } from './simulated-disk.ts';
import { type SimulatedNetwork, SimulatedOriginClient } from './simulated-origin.ts';

/** What stands between the engine and the world: how planted bugs come in. Left out: nothing. */
export interface Wraps {
  readonly committer?: WrapCommitter;
  readonly repository?: (repository: CacheRepository, disk: SimulatedDisk) => CacheRepository;
  readonly file?: (file: ChunkFile) => ChunkFile;
  readonly origin?: (origin: OriginClient) => OriginClient;
}

/** The machine that processes share. */
export interface Machine {
  readonly scheduler: Scheduler;
  readonly random: SeededRandom;
  readonly database: SimulatedDatabase;
  readonly disk: SimulatedDisk;
  readonly network: SimulatedNetwork;
  readonly settings: DownloadSettings;
  readonly options: CacheOptions;
  readonly wraps: Wraps;
  readonly log: (line: string) => void;
  /** Whether the process of this name lives. */
  readonly mayRun: (name: string) => boolean;
}

/** The whole engine as `FileCache.open` wires it, on simulated surroundings. */
class SimulatedCache extends FileCache {
  static start(parts: CacheParts): SimulatedCache {
    const cache = new SimulatedCache(parts);
    cache.startBackground();
    return cache;
  }
}

/** One process of the simulated machine, from its start to its end. */
export class SimulatedProcess {
  readonly number: number;
  readonly name: string;
  readonly life: Life = { alive: true };
  readonly clock: SimulatedClock;
  readonly cache: FileCache;
  readonly parts: CacheParts;
  /** It was told to end, and has not yet. */
  closing = false;

  constructor(machine: Machine, number: number) {
    const { scheduler, database, disk, network, wraps, random } = machine;
    this.number = number;
    this.name = processName(number);
    this.clock = new SimulatedClock(scheduler, this.life);
    const sqlite: SqliteRepository = database.connect(number, this.life, wraps.committer ?? ((same) => same));
    const store = new SimulatedStore(disk, scheduler, this.life, wraps.file ?? ((same) => same));
    const origin = new SimulatedOriginClient(network, scheduler, this.clock, this.life);
    const surroundings = {
      folder: '/simulated',
      repository: wraps.repository?.(sqlite, disk) ?? sqlite,
      store,
      disk: { free: async () => Number.MAX_SAFE_INTEGER, size: async () => Number.MAX_SAFE_INTEGER },
      origin: wraps.origin?.(origin) ?? origin,
      clock: this.clock,
      randomness: random,
      logger: this.#logger(machine),
      mayRun: machine.mayRun,
    };
    this.parts = assembleCache(surroundings, machine.options, machine.settings);
    this.cache = SimulatedCache.start(this.parts);
  }

  /** Resolves after `ms`; never, once the process is dead. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.clock.after(ms, resolve));
  }

  #logger({ log }: Machine): Logger {
    const say = (_fields: object, message: string): void => log(`${this.number} says: ${message}`);
    return { debug: say, info: say, warn: say, error: say };
  }
}
