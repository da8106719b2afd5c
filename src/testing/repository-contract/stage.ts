import { deepStrictEqual } from 'node:assert/strict';
import type { ByteRange } from '../../core/byte-ranges.ts';
import { PRIORITY, type Priority } from '../../core/priority.ts';
import type { Description } from '../../core/validator.ts';
import type {
  CacheRepository,
  CommitOutcome,
  CommitRequest,
  EnsureOutcome,
  EnsureRequest,
  EntryRow,
  NewEntry,
} from '../../repository/cache-repository.ts';

/** What a suite is run against: a new empty database. */
export interface RepositoryUnderTest {
  readonly repository: CacheRepository;
  /** The same database as another process sees it: another owner of leases. The same one each time. */
  other(): Promise<CacheRepository>;
  /** Closes what was opened and removes the database. */
  close(): Promise<void>;
}

/** One promise of the contract. */
export interface ContractCheck {
  readonly name: string;
  run(stage: Stage): Promise<void>;
}

/** A range as a pair, short enough for tables of expectations. */
export type Pair = readonly [start: number, end: number];

/** The length of every resource here, in bytes, where a check says nothing else. */
export const TOTAL = 10_000;
/** The size of new rows here, in bytes, where a check says nothing else. */
export const CHUNK = 1_000;

/** The version of a resource of `total` bytes that `etag` names. */
export function version(etag: string | null = '"v1"', total: number | null = TOTAL): Description {
  return { validator: { etag, lastModified: null }, total, mimeType: 'video/mp4' };
}

/** The claim is granted, in a file that holds bytes already, where a check says nothing else. */
export function granted(end: number, given: { readonly hasSpans?: boolean; readonly requested?: boolean } = {}): EnsureOutcome {
  return { kind: 'mine', end, hasSpans: true, requested: false, ...given };
}

export function pairs(ranges: readonly ByteRange[]): Pair[] {
  return ranges.map(({ start, end }) => [start, end] as const).sort((a, b) => a[0] - b[0]);
}

/** The actors of one check: two processes on one database, and the time. */
export class Stage {
  readonly repository: CacheRepository;
  readonly other: CacheRepository;
  /** UTC milliseconds. A check moves it as it likes. */
  now = 1_700_000_000_000;
  #entries = 0;
  #paths = 0;

  constructor(repository: CacheRepository, other: CacheRepository) {
    this.repository = repository;
    this.other = other;
  }

  newEntry(given: Partial<NewEntry> = {}): NewEntry {
    const number = ++this.#entries;
    return {
      sourceId: 'url',
      mediaId: `media-${number}`,
      quality: 'original',
      originalUrl: `https://origin.test/${number}`,
      requestHeaders: {},
      filename: null,
      filePath: `files/${number}-0`,
      fillAllowed: true,
      pinned: false,
      ...given,
    };
  }

  /** Paths that no file has yet. */
  newFilePaths(count: number): string[] {
    return Array.from({ length: count }, () => `files/new-${++this.#paths}`);
  }

  async add(given: Partial<NewEntry> = {}): Promise<EntryRow> {
    return (await this.repository.addEntry(this.newEntry(given), this.now)).entry;
  }

  /** An entry whose version and length are known, with the spans `cached`. */
  async addKnown(cached: readonly Pair[] = [[0, 0]], given: Partial<NewEntry> = {}): Promise<EntryRow> {
    const entry = await this.add(given);
    for (const [start, end] of cached) await this.commit(entry, start, end);
    return entry;
  }

  ensure(entry: EntryRow, offset: number, given: Partial<EnsureRequest> = {}, by = this.repository): Promise<EnsureOutcome> {
    const request = {
      entryId: entry.id,
      epoch: entry.epoch,
      offset,
      limit: null,
      priority: PRIORITY.CRITICAL,
      chunkSize: CHUNK,
      rows: 1,
      quota: null,
    };
    return by.ensure({ ...request, ...given }, this.now);
  }

  /** Claims, which must be granted. Returns where the claim ends. */
  async claim(entry: EntryRow, offset: number, priority: Priority = PRIORITY.CRITICAL, by = this.repository): Promise<number> {
    const outcome = await this.ensure(entry, offset, { priority }, by);
    deepStrictEqual(outcome.kind, 'mine', `the claim of ${offset} was answered ${JSON.stringify(outcome)}`);
    return outcome.kind === 'mine' ? outcome.end : Number.NaN;
  }

  commit(entry: EntryRow, start: number, end: number, given: Partial<CommitRequest> = {}, by = this.repository): Promise<CommitOutcome> {
    const request = { entryId: entry.id, epoch: entry.epoch, range: { start, end }, description: version(), headers: {} };
    return by.commit({ ...request, ...given }, this.now);
  }

  /** The rows that `by` holds. */
  async held(by = this.repository): Promise<Pair[]> {
    return pairs(await by.renew(this.now));
  }

  /** Every row of the entry that nobody holds, by claiming them all: held afterwards. */
  async claimAllPending(entry: EntryRow): Promise<Pair[]> {
    const taken: Pair[] = [];
    for (;;) {
      const work = (await this.repository.pendingWork(1_000, this.now)).find((row) => row.entry.id === entry.id);
      if (work === undefined) return taken.sort((a, b) => a[0] - b[0]);
      const end = await this.claim(entry, work.start, work.priority);
      deepStrictEqual(end, work.end);
      taken.push([work.start, work.end]);
    }
  }

  async spans(entry: EntryRow): Promise<Pair[]> {
    return pairs(await this.repository.spans(entry.id));
  }

  async state(entry: EntryRow): Promise<string | undefined> {
    return (await this.repository.state(entry))?.state;
  }

  async reread(entry: EntryRow): Promise<EntryRow> {
    const found = await this.repository.getEntry(entry.id);
    if (found === null) throw new Error(`entry ${entry.id} is gone`);
    return found;
  }
}
