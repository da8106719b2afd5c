import type { ChunkStore } from '../chunk-store/chunk-store.ts';
import type { Clock } from '../clock.ts';
import type { Ending } from '../core/ending.ts';
import type { RangeSpec } from '../core/http-range.ts';
import type { OriginClient } from '../origin/origin-client.ts';
import type { CacheRepository } from '../repository/cache-repository.ts';
import type { BlockChecker } from './block-checker.ts';
import type { ChunkManager } from './chunk-manager.ts';
import type { FetchConsequences } from './fetch-consequences.ts';
import type { KnownHeaders } from './known-headers.ts';
import type { Traffic } from './traffic.ts';

/** What an `EntryReader` needs of the cache. */
export interface ReaderParts {
  readonly repository: CacheRepository;
  readonly store: ChunkStore;
  readonly origin: OriginClient;
  readonly clock: Clock;
  readonly headers: KnownHeaders;
  readonly manager: ChunkManager;
  readonly checker: BlockChecker;
  readonly consequences: FetchConsequences;
  readonly traffic: Traffic;
  readonly lookahead: number | null;
}

export interface OpenOptions {
  /** What will be read, as far as it is known; null: from the start. The first contact asks the origin for exactly this. */
  readonly spec: RangeSpec | null;
  /** False: what is not cached is an error, and no origin is asked. */
  readonly mayFetch: boolean;
  readonly signal?: Ending;
  /** True: this only asks what the resource is. It does not count as an access, and what others read is not evicted for it. */
  readonly probe?: boolean;
}
