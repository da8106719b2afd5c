import { deepStrictEqual, ok } from 'node:assert/strict';
import type { CacheRepository, EntryRow } from '#seekwell/repository/cache-repository';
import type { PlainDatabase } from '../../../scripts/plain-database.mjs';
import { SimulatedDisk, WORLD } from './simulated-disk.ts';
import { type Naming, SimulatedOrigin } from './simulated-origin.ts';
import { SimulatedProcess } from './simulated-process.ts';

/** What the processes of a history keep to. Switching one off shows that the invariants notice. */
export interface Rules {
  readonly syncsBeforeCommit: boolean;
  readonly removesRowsFirst: boolean;
}

type PlainEntry = Pick<EntryRow, 'id' | 'mediaId' | 'filePath' | 'etag' | 'expectedTotalSize'>;

interface PlainRange {
  readonly entry: number;
  readonly start: number;
  readonly end: number;
  readonly owner?: string | null;
}

function bytesOf(ranges: readonly PlainRange[]): number {
  return ranges.reduce((sum, { start, end }) => sum + end - start + 1, 0);
}

/** What a user with `sqlite3` sees, prepared once: it is asked for after every event. */
export function prepareLook(database: PlainDatabase) {
  const range = 'cache_entry_id AS entry, start_byte AS start, end_byte AS "end"';
  return {
    entries: database.prepare<PlainEntry>(
      'SELECT id, media_id AS mediaId, file_path AS filePath, etag, expected_total_size AS expectedTotalSize FROM cache_entries',
    ),
    spans: database.prepare<PlainRange>(`SELECT ${range} FROM cache_chunks ORDER BY cache_entry_id, start_byte`),
    rows: database.prepare<PlainRange>(`SELECT ${range}, leased_by AS owner FROM cache_download_queue ORDER BY cache_entry_id, start_byte`),
    version: database.prepare<{ data_version: number }>('PRAGMA data_version'),
    sums: database.prepare<unknown>(
      'SELECT recorded_bytes AS kept, (SELECT COALESCE(SUM(bytes), 0) FROM cache_trash) AS trash FROM cache_statistics',
    ),
  };
}

const MEDIA = ['m0', 'm1'] as const;

/** Everything outside of the product that a history happens to: disk, origin, clock, processes. */
export class SimulatedWorld {
  readonly disk = new SimulatedDisk();
  readonly quota: number | null;
  readonly rules: Rules;
  readonly processes: SimulatedProcess[];
  /** UTC milliseconds. */
  now = 1_000_000_000;
  readonly #look: ReturnType<typeof prepareLook>;
  readonly #counts: Map<string, number>;
  readonly #origins: ReadonlyMap<string, SimulatedOrigin>;
  readonly #repositories: Iterator<CacheRepository>;
  readonly #written = new Map<string, Set<number>>();
  #paths = 0;
  /** What the invariants were held against last, so that they are not where nothing changed. */
  #seen = '';

  constructor(options: {
    readonly look: ReturnType<typeof prepareLook>;
    /** One for each process that ever lives. */
    readonly repositories: Iterable<CacheRepository>;
    readonly naming: Naming;
    readonly quota: number | null;
    readonly rules: Rules;
    /** What happened, over all histories. */
    readonly counts: Map<string, number>;
  }) {
    this.#look = options.look;
    this.#repositories = options.repositories[Symbol.iterator]();
    this.#counts = options.counts;
    this.#origins = new Map(MEDIA.map((media) => [media, new SimulatedOrigin(options.naming)]));
    this.quota = options.quota;
    this.rules = options.rules;
    this.processes = [this.#newProcess(), this.#newProcess(), this.#newProcess()];
  }

  originOf(entry: Pick<EntryRow, 'mediaId'>): SimulatedOrigin {
    return this.#origins.get(entry.mediaId) as SimulatedOrigin;
  }

  newPath(): string {
    return `files/${++this.#paths}`;
  }

  count(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }

  /** Notes what was written where. True: some of it had been written before. */
  written(path: string, start: number, end: number): boolean {
    const bytes = this.#written.get(path) ?? new Set();
    this.#written.set(path, bytes);
    let again = false;
    for (let byte = start; byte <= end; byte++) {
      again ||= bytes.has(byte);
      bytes.add(byte);
    }
    return again;
  }

  async entry(index: number): Promise<EntryRow> {
    const mediaId = MEDIA[index % MEDIA.length] as string;
    const { repository } = this.processes[0] as SimulatedProcess;
    const key = { sourceId: 'url', mediaId, quality: 'original' };
    const rest = { originalUrl: '', requestHeaders: {}, filename: null, filePath: this.newPath(), fillAllowed: true, pinned: false };
    return (await repository.findEntry(key)) ?? (await repository.addEntry({ ...key, ...rest }, this.now)).entry;
  }

  /** Lets one of all the things that are under way in any process go on. */
  async run(choice: number): Promise<void> {
    const all = this.processes.flatMap((process) => Array.from({ length: process.underWay }, (_, index) => ({ process, index })));
    const { process, index } = all[choice % Math.max(1, all.length)] ?? {};
    if (process !== undefined && index !== undefined) await process.run(index);
  }

  /** What it had under way is gone; what it wrote and did not sync is too, unless the machine lives on. */
  kill(index: number, losesWrites: boolean): void {
    const killed = this.processes[index] as SimulatedProcess;
    if (losesWrites) this.disk.lose(killed);
    this.processes[index] = this.#newProcess();
  }

  #newProcess(): SimulatedProcess {
    const next = this.#repositories.next();
    if (next.done === true) throw new Error('the history kills more processes than were prepared');
    return new SimulatedProcess(this, next.value);
  }

  /** The invariants of the design, held against disk and origin. */
  expectInvariants(): void {
    const seen = `${this.#look.version.get()?.data_version} ${this.disk.changes}`;
    if (seen === this.#seen) return;
    this.#seen = seen;
    const { entries, spans, rows, sums } = this.#look;
    const known = new Map(entries.all().map((entry) => [entry.id, entry]));
    const recorded = spans.all();
    for (const [index, span] of recorded.entries()) {
      const before = recorded[index - 1];
      ok(before?.entry !== span.entry || span.start > before.end + 1, 'spans overlap or touch');
      this.#expectTrue(span, known.get(span.entry) as PlainEntry);
    }
    const wanted = rows.all();
    for (const [index, row] of wanted.entries()) {
      const before = wanted[index - 1];
      ok(before?.entry !== row.entry || row.start > before.end, 'rows overlap');
      ok(!recorded.some((span) => span.entry === row.entry && span.start <= row.end && span.end >= row.start), 'a row overlaps a span');
      const total = known.get(row.entry)?.expectedTotalSize ?? 0;
      ok(total === 0 || row.end < total, 'a row reaches beyond the end');
    }
    const leased = wanted.filter((row) => row.owner !== null);
    const { kept, trash } = sums.get() as { kept: number; trash: number };
    deepStrictEqual(kept, bytesOf(recorded), 'the kept sum is wrong');
    ok(this.quota === null || kept + trash + bytesOf(leased) <= this.quota, 'more than the quota');
  }

  /** A span is a promise: these bytes are durable in the entry's file, and of the version that is recorded. */
  #expectTrue({ start, end }: PlainRange, entry: PlainEntry): void {
    const total = entry.expectedTotalSize;
    ok(end < (total !== null && total > 0 ? total : WORLD), 'a span reaches beyond the end');
    const version = this.originOf(entry).recorded(entry);
    const file = this.disk.open(entry.filePath);
    for (let byte = start; byte <= end; byte++) {
      deepStrictEqual(file?.visible[byte], version, `a span promises version ${version} of byte ${byte}, and the file has another`);
      deepStrictEqual(file?.durable[byte], version, `a span promises byte ${byte}, and it is not durable`);
    }
  }
}
