import type { CacheOptions } from './cache-options.ts';
import type { ChunkStore } from './chunk-store/chunk-store.ts';
import type { Clock } from './clock.ts';
import type { BlockChecker } from './downloads/block-checker.ts';
import type { CacheEvents } from './downloads/cache-events.ts';
import type { ChunkManager } from './downloads/chunk-manager.ts';
import type { DownloadSettings } from './downloads/download-settings.ts';
import type { EntryRemoval } from './downloads/entry-removal.ts';
import type { FetchConsequences } from './downloads/fetch-consequences.ts';
import type { Room } from './downloads/room.ts';
import type { Traffic } from './downloads/traffic.ts';
import type { Logger } from './logger.ts';
import type { OriginClient } from './origin/origin-client.ts';
import type { CacheRepository } from './repository/cache-repository.ts';
import type { StateComputer } from './state-computer.ts';

/** What is wired together at `open`. */
export interface CacheParts {
  readonly folder: string;
  readonly options: CacheOptions;
  readonly settings: DownloadSettings;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly repository: CacheRepository;
  readonly store: ChunkStore;
  readonly origin: OriginClient;
  readonly events: CacheEvents;
  readonly traffic: Traffic;
  readonly removal: EntryRemoval;
  readonly consequences: FetchConsequences;
  readonly checker: BlockChecker;
  readonly room: Room;
  readonly manager: ChunkManager;
  readonly states: StateComputer;
}
