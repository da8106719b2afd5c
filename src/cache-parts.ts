import type { CacheOptions } from './cache-options.ts';
import type { ChunkStore } from './chunk-store/chunk-store.ts';
import type { DiskSpace } from './chunk-store/disk-space.ts';
import type { Clock } from './clock.ts';
import { BlockChecker } from './downloads/block-checker.ts';
import { CacheEvents } from './downloads/cache-events.ts';
import { ChunkManager } from './downloads/chunk-manager.ts';
import type { DownloadSettings } from './downloads/download-settings.ts';
import { EntryRemoval } from './downloads/entry-removal.ts';
import { FetchConsequences } from './downloads/fetch-consequences.ts';
import { Room } from './downloads/room.ts';
import { Traffic } from './downloads/traffic.ts';
import type { Logger } from './logger.ts';
import type { OriginClient } from './origin/origin-client.ts';
import type { Randomness } from './randomness.ts';
import type { CacheRepository } from './repository/cache-repository.ts';
import { StateComputer } from './state-computer.ts';

/** What a cache stands on: all that it knows of the world comes through these. */
export interface CacheSurroundings {
  /** The cache folder, absolute. */
  readonly folder: string;
  readonly repository: CacheRepository;
  readonly store: ChunkStore;
  readonly disk: DiskSpace;
  readonly origin: OriginClient;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
  /** Whether the process of this name may still run: false only where it surely does not. */
  readonly mayRun: (process: string) => boolean;
}

/** A cache's objects, wired together. */
export interface CacheParts extends CacheSurroundings {
  readonly options: CacheOptions;
  readonly settings: DownloadSettings;
  readonly events: CacheEvents;
  readonly traffic: Traffic;
  readonly removal: EntryRemoval;
  readonly consequences: FetchConsequences;
  readonly checker: BlockChecker;
  readonly room: Room;
  readonly manager: ChunkManager;
  readonly states: StateComputer;
}

/** Wires a cache on whatever surrounds it. Nothing begins to work yet. */
export function assembleCache(surroundings: CacheSurroundings, options: CacheOptions, settings: DownloadSettings): CacheParts {
  const { repository, store, disk, origin, clock, randomness, logger } = surroundings;
  const events = new CacheEvents();
  const traffic = new Traffic();
  const removal = new EntryRemoval({ repository, store, clock, randomness, logger });
  const consequences = new FetchConsequences({ repository, removal, clock, randomness, logger, events, fill: settings.fill });
  const room = new Room({ repository, removal, disk, clock, randomness, logger, events, settings });
  const checker = new BlockChecker({ repository, store, clock, logger, events, consequences, settings });
  const manager = new ChunkManager({ repository, store, origin, clock, events, checker, consequences, settings, traffic, room });
  const states = new StateComputer(repository, clock);
  return { ...surroundings, options, settings, events, traffic, removal, consequences, checker, room, manager, states };
}
