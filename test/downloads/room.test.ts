import { describe, expect, test } from 'vitest';
import type { DiskSpace } from '#seekwell/chunk-store/disk-space';
import { SparseFileStore } from '#seekwell/chunk-store/sparse-file-store';
import { PRIORITY } from '#seekwell/core/priority';
import { BlockChecker } from '#seekwell/downloads/block-checker';
import { CacheEvents } from '#seekwell/downloads/cache-events';
import { ChunkManager } from '#seekwell/downloads/chunk-manager';
import type { DownloadSettings } from '#seekwell/downloads/download-settings';
import { EntryRemoval } from '#seekwell/downloads/entry-removal';
import { FetchConsequences } from '#seekwell/downloads/fetch-consequences';
import { FULL_REST_MS, Room } from '#seekwell/downloads/room';
import { Traffic } from '#seekwell/downloads/traffic';
import { SeekwellError } from '#seekwell/errors';
import { silentLogger } from '#seekwell/logger';
import type { OriginClient } from '#seekwell/origin/origin-client';
import { systemRandomness } from '#seekwell/randomness';
import type { EntryRow, PendingRow } from '#seekwell/repository/cache-repository';
import type { Committer, SqliteRepository } from '#seekwell/repository/sqlite/sqlite-repository';
import { newDatabase, openInPlace } from '../repository/test-database.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { afterThisTest, temporaryFolder } from '../support/temp-folder.ts';

const SETTINGS: DownloadSettings = {
  connections: 4,
  connectionsPerOrigin: 8,
  chunkSize: 1_000,
  lookahead: null,
  fill: true,
  quota: 1_000,
  minFree: 0,
  limitRate: null,
  backgroundLimitRate: null,
};

const NO_ORIGIN: OriginClient = {
  open: () => Promise.reject(new Error('nothing should be fetched')),
  close: () => Promise.resolve(),
};

const ENDLESS: DiskSpace = { free: async () => 2 ** 50, size: async () => 2 ** 50 };

/** What makes room, on a database whose changes are counted. */
class Bench {
  readonly clock = new ManualClock();
  readonly calls = new Map<string, number>();
  readonly repository: SqliteRepository;
  readonly room: Room;
  readonly manager: ChunkManager;
  #entries = 0;

  private constructor(path: string, folder: string, disk: DiskSpace, settings: DownloadSettings) {
    const { clock } = this;
    const count = (committer: Committer): Committer => ({
      close: () => committer.close(),
      call: (name, ...args) => {
        this.calls.set(name, (this.calls.get(name) ?? 0) + 1);
        return committer.call(name, ...args);
      },
    });
    const repository = openInPlace(path, 'me', count);
    const store = new SparseFileStore({ folder, clock, durable: false });
    const [logger, randomness, events, traffic, origin] = [silentLogger, systemRandomness, new CacheEvents(), new Traffic(), NO_ORIGIN];
    const removal = new EntryRemoval({ repository, store, clock, randomness, logger });
    const consequences = new FetchConsequences({ repository, removal, clock, randomness, logger, events, fill: true });
    this.repository = repository;
    this.room = new Room({ repository, removal, disk, clock, randomness, logger, events, settings });
    const checker = new BlockChecker({ repository, store, clock, logger, events, consequences, settings });
    this.manager = new ChunkManager({
      repository,
      store,
      origin,
      clock,
      checker,
      events,
      consequences,
      settings,
      traffic,
      room: this.room,
    });
  }

  static async set(disk: DiskSpace = ENDLESS, settings: Partial<DownloadSettings> = {}): Promise<Bench> {
    const bench = new Bench(await newDatabase(), await temporaryFolder(), disk, { ...SETTINGS, ...settings });
    afterThisTest(() => bench.repository.close());
    return bench;
  }

  /** An entry of 10,000 bytes, of which the first `recorded` are. */
  async add(recorded: number, pinned = false): Promise<EntryRow> {
    const { repository, clock } = this;
    const number = ++this.#entries;
    const key = { sourceId: 'url', mediaId: `m${number}`, quality: 'original', originalUrl: 'http://127.0.0.1:9/', requestHeaders: {} };
    const rest = { filename: null, filePath: `files/${number}`, fillAllowed: true, pinned };
    const { entry } = await repository.addEntry({ ...key, ...rest }, clock.now());
    const version = { description: { validator: { etag: '"v"', lastModified: null }, total: 10_000, mimeType: null }, headers: {} };
    const range = { start: 0, end: recorded - 1 };
    await repository.commit({ entryId: entry.id, epoch: 0, range, ...version }, clock.now());
    return (await repository.getEntry(entry.id)) as EntryRow;
  }
}

describe('background work that finds no room', () => {
  test('rests for a while instead of asking again and again', async () => {
    const bench = await Bench.set();
    await bench.add(900, true);
    const entry = await bench.add(100);
    await bench.repository.fill({ entryId: entry.id, epoch: 0, chunkSize: 1_000 }, bench.clock.now());
    const [row] = (await bench.repository.pendingWork(1, bench.clock.now())) as [PendingRow];
    let woken = 0;
    bench.manager.onRoom(() => woken++);
    for (let tries = 0; tries < 100; tries++) expect(await bench.manager.startPending(row)).toBe(false);
    expect([bench.calls.get('ensure'), bench.calls.get('evict'), woken]).toEqual([1, 1, 0]);
    bench.clock.advance(FULL_REST_MS);
    expect(woken).toBe(1);
    expect(await bench.manager.startPending(row)).toBe(false);
    expect([bench.calls.get('ensure'), bench.calls.get('evict')]).toEqual([2, 2]);
  });
});

describe('a claim', () => {
  const claim = (entry: EntryRow) => ({
    ...{ entryId: entry.id, epoch: 0, offset: 5_000, limit: null, priority: PRIORITY.CRITICAL, chunkSize: 1_000, rows: 1 },
  });

  test('is granted after what another process evicted is unlinked; nothing more goes', async () => {
    const bench = await Bench.set(ENDLESS, { quota: 12_000 });
    const [gone, kept, entry] = [await bench.add(9_000), await bench.add(1_000), await bench.add(1_000)];
    await bench.repository.removeBytes({ entryId: gone.id, epoch: 0, newFilePath: 'files/x' }, bench.clock.now());
    expect((await bench.room.ensure({ ...claim(entry), chunkSize: 2_000 }, 'reader')).kind).toBe('mine');
    expect(await bench.repository.getDownloadedBytes(kept.id)).toBe(1_000);
    expect(await bench.repository.trash()).toEqual([]);
  });

  test('counts what is leased against the free disk, and asks the disk once a second', async () => {
    let looks = 0;
    const disk: DiskSpace = {
      ...ENDLESS,
      free: async () => {
        looks++;
        return 3_500;
      },
    };
    const bench = await Bench.set(disk, { quota: null, minFree: 1_000 });
    const entry = await bench.add(100);
    expect((await bench.room.ensure(claim(entry), 'reader')).kind).toBe('mine');
    expect((await bench.room.ensure({ ...claim(entry), offset: 7_000 }, 'reader')).kind).toBe('mine');
    // Nothing of it is written yet: what the disk has free is the same, and promised already.
    bench.clock.advance(1_000);
    expect(await bench.room.ensure({ ...claim(entry), offset: 2_000 }, 'reader')).toEqual({ kind: 'full', needed: 500, bytes: 1_000 });
    expect(looks).toBe(2);
  });

  test('goes by the quota alone while the disk does not tell', async () => {
    const disk: DiskSpace = { ...ENDLESS, free: () => Promise.reject(new SeekwellError('STORAGE_FAILED', 'no answer')) };
    const bench = await Bench.set(disk, { quota: 1_100, minFree: 10 });
    const entry = await bench.add(100);
    expect((await bench.room.ensure(claim(entry), 'reader')).kind).toBe('mine');
    expect((await bench.room.ensure({ ...claim(entry), offset: 7_000 }, 'reader')).kind).toBe('full');
  });
});
