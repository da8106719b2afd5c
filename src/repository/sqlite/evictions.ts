import { extname } from 'node:path';
import { PRIORITY } from '../../core/priority.ts';
import { BEING_READ_MS, type Evicted, type EvictOutcome, type EvictRequest, LEASE_REACH_MS } from '../cache-repository.ts';
import type { Entries } from './entries.ts';
import type { Prepared } from './prepared.ts';
import type { RawEntry } from './rows.ts';
import type { READS } from './statements.ts';

/** An entry whose bytes may go. */
interface Candidate {
  readonly id: number;
  readonly epoch: number;
  readonly file_path: string;
  readonly bytes: number;
}

/** How many candidates are looked at together. */
const BATCH = 64;
/** No entry was ever accessed as late. */
const ALWAYS = Number.MAX_SAFE_INTEGER;
const NOBODY = 0;

/** EVICT: which entries go, and their removal. A step of a transaction that the caller opened, so that what is needed is what was just looked at. */
export class Evictions {
  readonly #read: Prepared<typeof READS>;
  readonly #entries: Entries;

  constructor(read: Prepared<typeof READS>, entries: Entries) {
    this.#read = read;
    this.#entries = entries;
  }

  evict(request: EvictRequest, now: number): EvictOutcome {
    const over = this.#used() - request.quota;
    const asker = request.entryId === null ? undefined : (this.#read.entryById.get({ id: request.entryId }) as RawEntry | undefined);
    const found = this.#candidates(request, asker, over + request.bytes, now);
    const has = found.reduce((sum, { bytes }) => sum + bytes, 0);
    const hopeless = has < over + request.bytes || this.#isTooLarge(asker, request.quota);
    const limit = request.quota - (hopeless ? 0 : request.bytes);
    const evicted = this.#remove(found, limit, request.newFilePaths, now);
    return { evicted, missing: Math.max(0, this.#used() + request.bytes - request.quota) };
  }

  /** What counts, apart from the trash: whoever needs its room empties it. */
  #used(): number {
    const { recorded, leased } = this.#read.usage.get() as { recorded: number; leased: number };
    return recorded + leased;
  }

  /** Whether all of the entry can never be there, whatever else goes. */
  #isTooLarge(asker: RawEntry | undefined, quota: number): boolean {
    const total = asker?.expected_total_size ?? 0;
    if (asker === undefined || total === 0) return false;
    const { n: pinned } = this.#read.pinnedBytes.get({ except: asker.id }) as { n: number };
    return total > quota - pinned;
  }

  /** What may go, in the order in which it goes, until it makes up `wanted` bytes. */
  #candidates(request: EvictRequest, asker: RawEntry | undefined, wanted: number, now: number): Candidate[] {
    const background = request.for === 'background';
    const common = { except: asker?.id ?? NOBODY, before: background ? (asker?.last_accessed ?? 0) : ALWAYS };
    const found = new Map<number, Candidate>();
    this.#gather(found, { ...common, read_before: now - BEING_READ_MS, spared: PRIORITY.LOW }, wanted, now);
    if (!background) this.#gather(found, { ...common, read_before: ALWAYS, spared: PRIORITY.HIGH }, wanted, now);
    return [...found.values()];
  }

  #gather(found: Map<number, Candidate>, which: Readonly<Record<string, number>>, wanted: number, now: number): void {
    let sum = [...found.values()].reduce((bytes, candidate) => bytes + candidate.bytes, 0);
    for (let limit = BATCH; sum < wanted; limit *= 4) {
      const rows = this.#read.evictable.all({ ...which, limit, live_from: now, live_to: now + LEASE_REACH_MS }) as Candidate[];
      for (const row of rows) {
        if (sum >= wanted) return;
        if (found.has(row.id)) continue;
        found.set(row.id, row);
        sum += row.bytes;
      }
      if (rows.length < limit) return;
    }
  }

  /** Removes the bytes of `candidates` until no more than `limit` bytes count. Rows that go with an entry make room too: it is counted anew each time. */
  #remove(candidates: readonly Candidate[], limit: number, paths: readonly string[], now: number): Evicted[] {
    const evicted: Evicted[] = [];
    for (const [index, { id, epoch, file_path: path, bytes }] of candidates.entries()) {
      const newPath = paths[index];
      if (newPath === undefined || this.#used() <= limit) break;
      this.#entries.removeBytes({ entryId: id, epoch, newFilePath: `${newPath}${extname(path)}` }, now);
      evicted.push({ entryId: id, bytes });
    }
    return evicted;
  }
}
