import { deepStrictEqual, notDeepStrictEqual, ok, rejects } from 'node:assert/strict';
import { PRIORITY } from '../../core/priority.ts';
import { isSeekwellError } from '../../errors.ts';
import type { EntryRow, ReadView } from '../../repository/cache-repository.ts';
import { CHUNK, type ContractCheck, pairs, type Stage, TOTAL, version } from './stage.ts';

function removeBytes(stage: Stage, entry: EntryRow, newFilePath: string): Promise<boolean> {
  return stage.repository.removeBytes({ entryId: entry.id, epoch: entry.epoch, newFilePath }, stage.now);
}

async function trashed(stage: Stage): Promise<string[]> {
  return (await stage.repository.trash()).map(({ filePath }) => filePath);
}

/** Entries: adding, finding, changing them. */
export const entries: readonly ContractCheck[] = [
  {
    name: 'addEntry keeps what it is given, and starts with nothing',
    async run(stage) {
      const given = stage.newEntry({
        filename: 'a film.mkv',
        requestHeaders: { Authorization: 'x', Ünïcode: '"\\' },
        fillAllowed: false,
        pinned: true,
      });
      const { entry, created } = await stage.repository.addEntry(given, stage.now);
      const { sourceId, mediaId, quality, originalUrl, requestHeaders, filename, filePath, fillAllowed, pinned } = entry;
      deepStrictEqual({ sourceId, mediaId, quality, originalUrl, requestHeaders, filename, filePath, fillAllowed, pinned }, given);
      deepStrictEqual([created, entry.epoch, entry.etag, entry.originLastModified, entry.mimeType], [true, 0, null, null, null]);
      deepStrictEqual([entry.expectedTotalSize, entry.isComplete, entry.errorMessage, entry.errorStatus], [0, false, null, null]);
      deepStrictEqual([entry.attempts, entry.retryAt, entry.lastError, entry.accessCount], [0, null, null, 0]);
      deepStrictEqual([entry.lastAccessed, entry.createdAt, entry.updatedAt], [stage.now, stage.now, stage.now]);
      deepStrictEqual(await stage.other.getEntry(entry.id), entry);
    },
  },
  {
    name: 'addEntry gives the entry that has the key, unchanged',
    async run(stage) {
      const entry = await stage.addKnown();
      const before = await stage.reread(entry);
      const again = stage.newEntry({ mediaId: entry.mediaId, originalUrl: 'https://origin.test/other' });
      deepStrictEqual(await stage.other.addEntry(again, stage.now + 5), { entry: before, created: false });
      const otherQuality = await stage.repository.addEntry({ ...again, quality: '720p' }, stage.now);
      deepStrictEqual(otherQuality.created, true);
    },
  },
  {
    name: 'entries are found by id, by key, and by URL: the oldest of those that have it',
    async run(stage) {
      const first = await stage.add({ originalUrl: 'https://origin.test/same' });
      await stage.add({ originalUrl: 'https://origin.test/same' });
      deepStrictEqual(await stage.repository.getEntry(first.id), first);
      deepStrictEqual(await stage.repository.findEntry(first), first);
      deepStrictEqual(await stage.repository.findEntryByUrl('https://origin.test/same'), first);
      deepStrictEqual(await stage.repository.getEntry(first.id + 9), null);
      deepStrictEqual(await stage.repository.findEntry({ ...first, quality: 'x' }), null);
      deepStrictEqual(await stage.repository.findEntryByUrl('https://origin.test/sam'), null);
    },
  },
  {
    name: 'rebind changes URL and headers, ends the backoff and keeps the bytes',
    async run(stage) {
      const entry = await stage.addKnown();
      const { id, epoch } = entry;
      await stage.repository.delay({ entryId: id, epoch, message: 'x', retryAt: stage.now + 9 }, stage.now);
      const location = { url: 'https://origin.test/fresh', headers: { Cookie: 'a' } };
      deepStrictEqual(await stage.repository.rebind(id, location, stage.now + 1), true);
      const { originalUrl, requestHeaders, attempts, retryAt, etag } = await stage.reread(entry);
      deepStrictEqual([originalUrl, requestHeaders, attempts, retryAt, etag], [location.url, location.headers, 0, null, '"v1"']);
      deepStrictEqual(await stage.spans(entry), [[0, 0]]);
      deepStrictEqual(await stage.repository.rebind(id + 9, location, stage.now), false);
    },
  },
  {
    name: 'touch notes who reads, setPinned what stays',
    async run(stage) {
      const entry = await stage.add();
      await stage.repository.touch(entry.id, stage.now + 7);
      await stage.repository.touch(entry.id, stage.now + 8);
      deepStrictEqual([await stage.repository.setPinned(entry.id, true), await stage.repository.setPinned(99, true)], [true, false]);
      const { lastAccessed, accessCount, pinned, updatedAt } = await stage.reread(entry);
      deepStrictEqual([lastAccessed, accessCount, pinned, updatedAt], [stage.now + 8, 2, true, entry.updatedAt]);
    },
  },
];

/** What lies around a byte, and what is missing. */
export const views: readonly ContractCheck[] = [
  {
    name: 'a read view has the entry, the span that covers the byte, and where the next one begins',
    async run(stage) {
      const known = await stage.addKnown([
        [100, 199],
        [300, 399],
      ]);
      const entry = await stage.reread(known);
      const first = { start: 100, end: 199 };
      const second = { start: 300, end: 399 };
      const expectations = [
        [0, null, 100],
        [100, first, 300],
        [199, first, 300],
        [200, null, 300],
        [399, second, null],
        [400, null, null],
      ] as const;
      for (const [offset, span, nextSpanStart] of expectations) {
        deepStrictEqual(await stage.repository.readView(entry.id, offset), { entry, span, nextSpanStart });
        deepStrictEqual(await stage.other.readViewByKey(entry, offset), { entry, span, nextSpanStart });
      }
      deepStrictEqual(await stage.repository.readView(entry.id + 1, 0), null);
      deepStrictEqual(await stage.repository.readViewByKey({ ...entry, mediaId: 'x' }, 0), null);
    },
  },
  {
    name: 'a read view that is asked for again is never older than the last change, whoever made it',
    async run(stage) {
      const entry = await stage.addKnown([[100, 199]]);
      const { repository, other } = stage;
      const byKey = (offset: number): Promise<ReadView | null> => repository.readViewByKey(entry, offset);
      const same = async (offset: number): Promise<void> => {
        const view = await byKey(offset);
        deepStrictEqual(view, await repository.readView(entry.id, offset));
        deepStrictEqual(await byKey(offset), view);
      };
      const covered = async (offset: number): Promise<unknown> => {
        await same(offset);
        return (await byKey(offset))?.span ?? null;
      };
      deepStrictEqual(await covered(150), { start: 100, end: 199 });
      await stage.commit(entry, 200, 299, {}, other);
      deepStrictEqual(await covered(150), { start: 100, end: 299 });
      await stage.commit(entry, 300, 399);
      deepStrictEqual(await covered(150), { start: 100, end: 399 });
      deepStrictEqual([await covered(399), await covered(400), await covered(99)], [{ start: 100, end: 399 }, null, null]);
      for (const by of [repository, other]) {
        stage.now++;
        await by.touch(entry.id, stage.now);
        await covered(150);
        deepStrictEqual((await byKey(150))?.entry.lastAccessed, stage.now);
      }
      await other.removeBytes({ entryId: entry.id, epoch: entry.epoch, newFilePath: 'files/new' }, stage.now);
      deepStrictEqual(await covered(150), null);
      const next = await byKey(150);
      deepStrictEqual([next?.entry.epoch, next?.entry.filePath], [entry.epoch + 1, 'files/new']);
      await stage.commit({ ...entry, epoch: entry.epoch + 1 }, 150, 159, { description: version('"v2"') }, other);
      deepStrictEqual([await covered(150), (await byKey(150))?.entry.etag], [{ start: 150, end: 159 }, '"v2"']);
      await other.deleteEntry(entry.id, stage.now);
      deepStrictEqual([await byKey(150), await byKey(150)], [null, null]);
    },
  },
  {
    name: 'read views of entries whose names resemble each other are never mixed up',
    async run(stage) {
      const names = [
        ['a', 'b\nc', 'd'],
        ['a\nb', 'c', 'd'],
        ['a', 'b', 'c\nd'],
      ] as const;
      const keys = names.map(([sourceId, mediaId, quality]) => ({ sourceId, mediaId, quality }));
      const entries = [];
      for (const key of keys) entries.push(await stage.addKnown([[0, 9]], key));
      for (const round of [1, 2]) {
        for (const [index, key] of keys.entries())
          deepStrictEqual((await stage.repository.readViewByKey(key, 5))?.entry.id, entries[index]?.id, `round ${round}`);
      }
    },
  },
  {
    name: 'spans come in order, from the one around a byte on, as many as asked',
    async run(stage) {
      const entry = await stage.addKnown([
        [300, 399],
        [100, 199],
        [500, 599],
      ]);
      const from = async (at?: number, limit?: number): Promise<unknown> =>
        pairs(await stage.repository.spans(entry.id, at, limit)).map(([start]) => start);
      deepStrictEqual(
        [await from(), await from(150), await from(199), await from(200)],
        [
          [100, 300, 500],
          [100, 300, 500],
          [100, 300, 500],
          [300, 500],
        ],
      );
      deepStrictEqual([await from(0, 2), await from(350, 1), await from(600)], [[100, 300], [300], []]);
    },
  },
  {
    name: 'ranges that are there, and what of a range is missing',
    async run(stage) {
      const entry = await stage.addKnown([
        [100, 199],
        [300, 399],
      ]);
      const missing = async (start: number, end: number): Promise<unknown> =>
        pairs(await stage.repository.missingRanges(entry.id, { start, end }));
      deepStrictEqual(await missing(0, 499), [
        [0, 99],
        [200, 299],
        [400, 499],
      ]);
      deepStrictEqual(await missing(150, 350), [[200, 299]]);
      deepStrictEqual(await missing(100, 199), []);
      deepStrictEqual(await missing(400, 400), [[400, 400]]);
      const has = (start: number, end: number): Promise<boolean> => stage.repository.hasByteRange(entry.id, { start, end });
      deepStrictEqual([await has(100, 199), await has(150, 150), await has(99, 100), await has(199, 200)], [true, true, false, false]);
    },
  },
];

/** Removal, which comes before any byte is unlinked. */
export const removals: readonly ContractCheck[] = [
  {
    name: 'removeBytes forgets all that belongs to the version, moves to a new file and remembers the old one',
    async run(stage) {
      const entry = await stage.addKnown([[0, TOTAL - 1]]);
      deepStrictEqual(await removeBytes(stage, entry, 'files/new'), true);
      const after = await stage.reread(entry);
      deepStrictEqual([after.epoch, after.filePath, after.isComplete, after.expectedTotalSize], [entry.epoch + 1, 'files/new', false, 0]);
      deepStrictEqual([after.etag, after.originLastModified, after.mimeType], [null, null, null]);
      deepStrictEqual([await stage.state(entry), await stage.spans(entry)], ['Initializing', []]);
      deepStrictEqual(await trashed(stage), [entry.filePath]);
      deepStrictEqual(await stage.repository.statistics(), { entries: 1, recordedBytes: 0, leasedBytes: 0, trashBytes: TOTAL });
    },
  },
  {
    name: 'removeBytes deletes rows, leased ones too, and headers',
    async run(stage) {
      const entry = await stage.add();
      await stage.commit(entry, 0, 9, { headers: { a: 'b' } });
      await stage.claim(entry, 1_000);
      await stage.repository.fill({ entryId: entry.id, epoch: entry.epoch, chunkSize: CHUNK }, stage.now);
      await removeBytes(stage, entry, 'files/new');
      deepStrictEqual([await stage.held(), await stage.repository.hasPendingDownloads(entry.id)], [[], false]);
      deepStrictEqual(await stage.repository.headersOf(entry.id), {});
      deepStrictEqual(await stage.ensure(entry, 5), { kind: 'gone' });
    },
  },
  {
    name: 'removeBytes of another epoch does nothing',
    async run(stage) {
      const entry = await stage.addKnown();
      deepStrictEqual(await removeBytes(stage, entry, 'files/new'), true);
      deepStrictEqual(await removeBytes(stage, entry, 'files/newer'), false);
      deepStrictEqual(await removeBytes(stage, { ...entry, id: 99 }, 'files/newer'), false);
      deepStrictEqual([(await stage.reread(entry)).filePath, await trashed(stage)], ['files/new', [entry.filePath]]);
    },
  },
  {
    name: 'deleteEntry deletes all of it, remembers the file, and the id is never given again',
    async run(stage) {
      const entry = await stage.addKnown([[0, 99]]);
      await stage.claim(entry, 1_000);
      deepStrictEqual(
        [await stage.repository.deleteEntry(entry.id, stage.now), await stage.repository.deleteEntry(entry.id, stage.now)],
        [true, false],
      );
      deepStrictEqual([await stage.repository.getEntry(entry.id), await stage.repository.state(entry)], [null, null]);
      deepStrictEqual([await stage.held(), await stage.spans(entry), await trashed(stage)], [[], [], [entry.filePath]]);
      const again = await stage.add({ mediaId: entry.mediaId });
      ok(again.id > entry.id);
    },
  },
  {
    name: 'a file is owned by its entry, then by the trash, then by nobody',
    async run(stage) {
      const entry = await stage.addKnown();
      const owned = (): Promise<boolean> => stage.repository.ownsFile(entry.filePath);
      deepStrictEqual([await owned(), await stage.repository.ownsFile('files/other')], [true, false]);
      await stage.repository.deleteEntry(entry.id, stage.now);
      deepStrictEqual(await owned(), true);
      const [file] = await stage.other.trash();
      await stage.repository.forgetTrash(file?.id ?? 0);
      deepStrictEqual([await owned(), await trashed(stage)], [false, []]);
    },
  },
];

/** Files that are to be unlinked. */
export const trash: readonly ContractCheck[] = [
  {
    name: 'whoever is late to forget a file forgets no other: its number is never given again',
    async run(stage) {
      await stage.repository.deleteEntry((await stage.add()).id, stage.now);
      const [first] = await stage.repository.trash();
      await stage.other.forgetTrash(first?.id ?? 0);
      const next = await stage.add();
      await stage.repository.deleteEntry(next.id, stage.now);
      await stage.repository.forgetTrash(first?.id ?? 0);
      deepStrictEqual(await trashed(stage), [next.filePath]);
    },
  },
];

/** The whole. */
export const whole: readonly ContractCheck[] = [
  {
    name: 'statistics add up what is recorded, leased and removed',
    async run(stage) {
      const first = await stage.addKnown([
        [0, 99],
        [200, 299],
      ]);
      const second = await stage.addKnown([[0, 49]]);
      await stage.claim(first, 1_000);
      await stage.claim(second, 1_000, PRIORITY.HIGH, stage.other);
      deepStrictEqual(await stage.repository.statistics(), { entries: 2, recordedBytes: 250, leasedBytes: 2 * CHUNK, trashBytes: 0 });
      deepStrictEqual(await stage.other.usage(), { recordedBytes: 250, leasedBytes: 2 * CHUNK, trashBytes: 0 });
      await stage.commit(first, 50, 249);
      await stage.repository.deleteEntry(second.id, stage.now);
      deepStrictEqual(await stage.other.statistics(), { entries: 1, recordedBytes: 300, leasedBytes: CHUNK, trashBytes: 50 });
    },
  },
  {
    name: 'the change token changes with every commit, of this process and of others',
    async run(stage) {
      let before = stage.repository.changeToken();
      for (const repository of [stage.repository, stage.other]) {
        const entry = await stage.add();
        await repository.touch(entry.id, stage.now);
        notDeepStrictEqual(stage.repository.changeToken(), before);
        before = stage.repository.changeToken();
        deepStrictEqual(stage.repository.changeToken(), before);
      }
    },
  },
  {
    name: 'servers are known from their announcement until they take it back',
    async run(stage) {
      await stage.repository.announce('http://127.0.0.1:1', stage.now);
      await stage.other.announce('http://127.0.0.1:2', stage.now + 1);
      await stage.repository.announce('http://127.0.0.1:3', stage.now + 2);
      const servers = await stage.other.servers();
      deepStrictEqual(
        servers.map(({ baseUrl, startedAt }) => [baseUrl, startedAt]),
        [
          ['http://127.0.0.1:3', stage.now + 2],
          ['http://127.0.0.1:2', stage.now + 1],
        ],
      );
      notDeepStrictEqual(servers[0]?.process, servers[1]?.process);
      await stage.other.forgetServers([servers[1]?.process ?? '', 'nobody']);
      deepStrictEqual(
        (await stage.other.servers()).map(({ baseUrl }) => baseUrl),
        ['http://127.0.0.1:3'],
      );
      await stage.other.announce('http://127.0.0.1:2', stage.now);
      await stage.repository.announce(null, stage.now);
      deepStrictEqual(
        (await stage.repository.servers()).map(({ baseUrl }) => baseUrl),
        ['http://127.0.0.1:2'],
      );
    },
  },
  {
    name: 'what is called at once is carried out in the order of the calls',
    async run(stage) {
      const entry = await stage.add();
      const { id, epoch } = entry;
      const description = version();
      const calls = [
        stage.commit(entry, 0, 9),
        stage.repository.removeBytes({ entryId: id, epoch, newFilePath: 'files/a' }, stage.now),
        stage.commit(entry, 10, 19),
        stage.repository.commit({ entryId: id, epoch: epoch + 1, range: { start: 20, end: 29 }, description, headers: {} }, stage.now),
        stage.repository.pause(id, stage.now),
        stage.repository.retry(id, stage.now),
      ];
      const outcomes = await Promise.all(calls);
      deepStrictEqual(
        outcomes.slice(0, 4).map((outcome) => (typeof outcome === 'boolean' ? outcome : outcome.kind)),
        ['committed', true, 'gone', 'committed'],
      );
      deepStrictEqual([await stage.spans(entry), (await stage.reread(entry)).fillAllowed], [[[20, 29]], true]);
    },
  },
  {
    name: 'after close every call is refused, and closing again does nothing',
    async run(stage) {
      const entry = await stage.add();
      await stage.other.close();
      await stage.other.close();
      const isClosed = (error: unknown): boolean => isSeekwellError(error, 'CLOSED');
      await rejects(stage.other.getEntry(entry.id), isClosed);
      await rejects(stage.other.touch(entry.id, stage.now), isClosed);
      await rejects(stage.other.entriesWithState({ limit: 1 }, stage.now), isClosed);
    },
  },
];
