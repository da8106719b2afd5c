import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { PRIORITY, type Priority } from '#seekwell/core/priority';
import type { CacheRepository, EntryRow, EvictFor } from '#seekwell/repository/cache-repository';
import { PlainDatabase } from '../../scripts/plain-database.mjs';
import { newDatabase, openInPlace } from './test-database.ts';

// Several processes claim, commit, evict, unlink and die in any order. After every step the recorded bytes, the leased rows and the trash together are
// held against the quota, and each eviction against what it may take.

const ENTRIES = 5;
const TOTAL = 40;
const PROCESSES = 3;

interface Step {
  readonly what:
    | 'read'
    | 'lookAhead'
    | 'background'
    | 'commit'
    | 'lateCommit'
    | 'evict'
    | 'unlink'
    | 'touch'
    | 'pin'
    | 'unpin'
    | 'wait'
    | 'sweep'
    | 'remove';
  readonly process: number;
  readonly entry: number;
  readonly n: number;
}

const WEIGHTS: Record<Step['what'], number> = {
  read: 8,
  lookAhead: 4,
  background: 4,
  commit: 12,
  lateCommit: 3,
  evict: 8,
  unlink: 6,
  touch: 3,
  pin: 1,
  unpin: 1,
  wait: 3,
  sweep: 1,
  remove: 1,
};

const step: fc.Arbitrary<Step> = fc.record({
  what: fc.oneof(...Object.entries(WEIGHTS).map(([what, weight]) => ({ arbitrary: fc.constant(what as Step['what']), weight }))),
  process: fc.nat(PROCESSES - 1),
  entry: fc.nat(ENTRIES - 1),
  n: fc.nat(TOTAL - 1),
});

const history = fc.record({
  quota: fc.integer({ min: 20, max: 120 }),
  steps: fc.array(step, { minLength: 60, maxLength: 160, size: 'max' }),
});

interface Claim {
  readonly entry: EntryRow;
  readonly start: number;
  readonly end: number;
}

/** One process: what it believes to hold, however late it is. */
class Worker {
  readonly repository: CacheRepository;
  readonly claims: Claim[] = [];

  constructor(repository: CacheRepository) {
    this.repository = repository;
  }
}

class World {
  now = 1_000_000_000;
  readonly counts = new Map<string, number>();
  readonly #database: PlainDatabase;
  readonly #workers: readonly Worker[];
  #paths = 0;

  constructor(path: string) {
    this.#database = new PlainDatabase(path);
    this.#workers = Array.from({ length: PROCESSES }, (_, index) => new Worker(openInPlace(path, `process-${index}`)));
  }

  async close(): Promise<void> {
    for (const { repository } of this.#workers) await repository.close();
    this.#database.close();
  }

  async run(quota: number, steps: readonly Step[]): Promise<void> {
    this.#database.exec('PRAGMA foreign_keys = ON; DELETE FROM cache_entries; DELETE FROM cache_trash');
    for (const worker of this.#workers) worker.claims.length = 0;
    for (const next of steps) {
      await this.#take(next, quota);
      const used = this.#number(
        `SELECT recorded_bytes + (SELECT COALESCE(SUM(end_byte - start_byte + 1), 0) FROM cache_download_queue WHERE leased_by IS NOT NULL)
         + (SELECT COALESCE(SUM(bytes), 0) FROM cache_trash) FROM cache_statistics`,
      );
      expect(used, `after ${JSON.stringify(next)}`).toBeLessThanOrEqual(quota);
    }
  }

  #number(sql: string): number {
    return this.#database.column<number>(sql)[0] ?? 0;
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  async #entry({ repository }: Worker, index: number): Promise<EntryRow> {
    const key = { sourceId: 'url', mediaId: `m${index}`, quality: 'original', originalUrl: '', requestHeaders: {}, filename: null };
    return (await repository.addEntry({ ...key, filePath: this.#newPath(), fillAllowed: true, pinned: false }, this.now)).entry;
  }

  #newPath(): string {
    return `files/${++this.#paths}`;
  }

  async #take({ what, process, entry: index, n }: Step, quota: number): Promise<void> {
    const worker = this.#workers[process] as Worker;
    const { repository } = worker;
    const entry = await this.#entry(worker, index);
    switch (what) {
      case 'read':
        return this.#claim(worker, entry, n, PRIORITY.CRITICAL, quota);
      case 'lookAhead':
        return this.#claim(worker, entry, n, PRIORITY.HIGH, quota);
      case 'background':
        await repository.fill({ entryId: entry.id, epoch: entry.epoch, chunkSize: 8 }, this.now);
        for (const row of await repository.pendingWork(1, this.now)) await this.#claim(worker, row.entry, row.start, row.priority, quota);
        return;
      case 'commit':
        return this.#commit(worker, worker.claims.pop(), quota);
      case 'lateCommit':
        return this.#commit(worker, worker.claims.shift(), quota);
      case 'evict':
        return this.#evict(worker, entry, quota, n);
      case 'unlink': {
        const [file] = await repository.trash();
        return repository.forgetTrash(file?.id ?? 0);
      }
      case 'remove':
        await repository.removeBytes({ entryId: entry.id, epoch: entry.epoch, newFilePath: this.#newPath() }, this.now);
        return;
      default:
        return this.#else(what, repository, entry, n);
    }
  }

  async #else(what: Step['what'], repository: CacheRepository, entry: EntryRow, n: number): Promise<void> {
    if (what === 'touch') await repository.touch(entry.id, this.now);
    else if (what === 'pin' || what === 'unpin') await repository.setPinned(entry.id, what === 'pin');
    else if (what === 'sweep') await repository.sweep(n % 2 === 0, this.now);
    else this.now += n * n * 200;
  }

  async #claim(worker: Worker, entry: EntryRow, offset: number, priority: Priority, quota: number): Promise<void> {
    const request = { entryId: entry.id, epoch: entry.epoch, offset, limit: null, priority, chunkSize: 8, rows: 1 + (offset % 3), quota };
    const outcome = await worker.repository.ensure(request, this.now);
    this.#count(outcome.kind);
    if (outcome.kind === 'mine') worker.claims.push({ entry, start: offset, end: outcome.end });
    else if (outcome.kind === 'full')
      await this.#evict(worker, entry, quota, outcome.bytes, priority >= PRIORITY.MEDIUM ? 'background' : 'reader');
  }

  /** Some of a claim is recorded, perhaps long after its lease ended. */
  async #commit({ repository }: Worker, claim: Claim | undefined, quota: number): Promise<void> {
    if (claim === undefined) return;
    const { entry, start } = claim;
    // Claimed while no total was known: the origin has no such bytes.
    if (start >= TOTAL) return;
    const description = { validator: { etag: '"v"', lastModified: null }, total: TOTAL, mimeType: null };
    const range = { start, end: Math.min(TOTAL - 1, claim.end - ((claim.end - start) % 3)) };
    await repository.commit({ entryId: entry.id, epoch: entry.epoch, range, description, headers: {}, quota }, this.now);
  }

  async #evict({ repository }: Worker, entry: EntryRow, quota: number, bytes: number, purpose: EvictFor = 'quota'): Promise<void> {
    const asker = purpose === 'quota' ? null : entry.id;
    // For the quota: as after it was lowered.
    const limit = purpose === 'quota' ? Math.max(0, quota - bytes) : quota;
    const need = purpose === 'quota' ? 0 : bytes;
    const before = await repository.usage();
    const newFilePaths = [this.#newPath(), this.#newPath(), this.#newPath()];
    const pinned = new Set(this.#database.column<number>('SELECT id FROM cache_entries WHERE pinned = 1'));
    const { evicted, missing } = await repository.evict(
      { for: purpose, entryId: asker, quota: limit, bytes: need, newFilePaths },
      this.now,
    );
    if (evicted.length > 0) this.#count(`evicted for ${purpose}`);
    const after = await repository.usage();
    const count = (usage: typeof after): number => usage.recordedBytes + usage.leasedBytes;
    expect(missing).toBe(Math.max(0, count(after) + need - limit));
    expect(evicted.some(({ entryId }) => pinned.has(entryId) || entryId === asker)).toBe(false);
    const gone = evicted.reduce((sum, one) => sum + one.bytes, 0);
    expect([before.recordedBytes - after.recordedBytes, after.trashBytes - before.trashBytes]).toEqual([gone, gone]);
    // Without the last one there was no room: no more went than was needed.
    const last = evicted.at(-1);
    if (last !== undefined) expect(count(after) + last.bytes + (before.leasedBytes - after.leasedBytes) + need).toBeGreaterThan(limit);
  }
}

test('whatever several processes do, recorded bytes, leased rows and trash never exceed the quota', async () => {
  const world = new World(await newDatabase());
  await fc.assert(
    fc.asyncProperty(history, ({ quota, steps }) => world.run(quota, steps)),
    { numRuns: 150 },
  );
  // Else the histories would prove less than they seem to.
  const happened = ['mine', 'theirs', 'present', 'full', 'evicted for reader', 'evicted for background', 'evicted for quota'];
  expect([...world.counts.keys()]).toEqual(expect.arrayContaining(happened));
  await world.close();
}, 180_000);
