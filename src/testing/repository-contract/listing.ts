import { deepStrictEqual, rejects } from 'node:assert/strict';
import { PRIORITY } from '../../core/priority.ts';
import { isSeekwellError } from '../../errors.ts';
import { type EntryQuery, type EntryRow, type EntrySort, LEASE_MS, LEASE_REACH_MS } from '../../repository/cache-repository.ts';
import { CHUNK, type ContractCheck, type Stage, TOTAL, version } from './stage.ts';

/** The ids that a listing gives, page by page. */
async function listed(stage: Stage, query: Partial<EntryQuery>): Promise<number[]> {
  const ids: number[] = [];
  const limit = query.limit ?? 2;
  let cursor: string | undefined;
  do {
    const page = await stage.repository.entriesWithState({ ...query, limit, ...(cursor === undefined ? {} : { cursor }) }, stage.now);
    deepStrictEqual(page.entries.length <= limit, true);
    ids.push(...page.entries.map(({ entry }) => entry.id));
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return ids;
}

/** One entry in each state that an entry can be in, by state. */
async function oneOfEach(stage: Stage): Promise<Record<string, EntryRow>> {
  const { repository } = stage;
  const removed = await stage.add();
  const request = { entryId: removed.id, epoch: removed.epoch, description: version(), headers: {} };
  await repository.describe(request);
  const failed = await stage.addKnown();
  await repository.fail({ entryId: failed.id, epoch: failed.epoch, message: 'no', status: 404 }, stage.now);
  const downloading = await stage.addKnown();
  await repository.fill({ entryId: downloading.id, epoch: downloading.epoch, chunkSize: CHUNK }, stage.now);
  return {
    NotStarted: removed,
    Initializing: await stage.add(),
    Downloading: downloading,
    Paused: await stage.addKnown(),
    Complete: await stage.addKnown([[0, TOTAL - 1]]),
    Failed: failed,
  };
}

/** States, each computed when it is asked for. */
export const states: readonly ContractCheck[] = [
  {
    name: 'each state is told from what is recorded, alike for one entry and for a page',
    async run(stage) {
      const each = await oneOfEach(stage);
      const page = await stage.repository.entriesWithState({ limit: 100 }, stage.now);
      for (const [state, entry] of Object.entries(each)) {
        const row = await stage.other.state(entry);
        deepStrictEqual([row?.id, row?.state], [entry.id, state]);
        const one = await stage.repository.entryWithState(entry.id, stage.now);
        deepStrictEqual([one?.state, one?.entry], [row, await stage.reread(entry)]);
        deepStrictEqual(
          page.entries.find((found) => found.entry.id === entry.id),
          one,
        );
      }
      deepStrictEqual(page.entries.length, 6);
    },
  },
  {
    name: 'a state row counts spans, bytes and rows',
    async run(stage) {
      const entry = await stage.addKnown([
        [0, 99],
        [1_000, 1_099],
      ]);
      await stage.repository.fill({ entryId: entry.id, epoch: entry.epoch, chunkSize: CHUNK }, stage.now);
      const { sourceId, mediaId, quality, id } = entry;
      deepStrictEqual(await stage.repository.state(entry), {
        id,
        sourceId,
        mediaId,
        quality,
        state: 'Downloading',
        downloadedBytes: 200,
        expectedTotalSize: TOTAL,
        spanCount: 2,
        pendingChunks: 1 + 9,
        errorMessage: null,
      });
    },
  },
  {
    name: 'the size is null until it is known',
    async run(stage) {
      const entry = await stage.add();
      deepStrictEqual((await stage.repository.state(entry))?.expectedTotalSize, null);
      await stage.commit(entry, 0, 9, { description: version('"v1"', null) });
      deepStrictEqual((await stage.repository.state(entry))?.expectedTotalSize, null);
      deepStrictEqual(await stage.repository.state({ ...entry, mediaId: 'none' }), null);
      deepStrictEqual(await stage.repository.entryWithState(entry.id + 1, stage.now), null);
    },
  },
  {
    name: 'an entry is active while one of its rows has a live lease',
    async run(stage) {
      const entry = await stage.addKnown();
      const isActive = async (): Promise<unknown> => (await stage.repository.entryWithState(entry.id, stage.now))?.isActive;
      await stage.repository.prefetch({ entryId: entry.id, ranges: [{ start: 5_000, end: 5_999 }], chunkSize: CHUNK }, stage.now);
      deepStrictEqual(await isActive(), false);
      await stage.claim(entry, 1_000, PRIORITY.HIGH, stage.other);
      deepStrictEqual(await isActive(), true);
      stage.now += LEASE_MS + 1;
      deepStrictEqual(await isActive(), false);
      stage.now -= LEASE_REACH_MS + 2;
      deepStrictEqual(await isActive(), false);
    },
  },
];

/** Lists: orders, filters, pages. */
export const lists: readonly ContractCheck[] = [
  {
    name: 'every order, page by page, without a gap or a repetition where entries are equal',
    async run(stage) {
      const names = ['b', 'a', 'b', null, 'c', 'a', 'b'];
      const entries: EntryRow[] = [];
      for (const [index, filename] of names.entries()) {
        stage.now += index % 2;
        const entry = await stage.add({ filename, mediaId: `a${9 - index}` });
        await stage.repository.touch(entry.id, 1_000 + (index % 3));
        entries.push(await stage.reread(entry));
      }
      const by = (compare: (a: EntryRow, b: EntryRow) => number, direction: number): number[] =>
        entries.toSorted((a, b) => compare(a, b) || direction * (a.id - b.id)).map(({ id }) => id);
      const nameOf = (entry: EntryRow): string => entry.filename ?? entry.mediaId;
      const expected: Record<EntrySort, number[]> = {
        id: by(() => 0, 1),
        lastAccessed: by((a, b) => b.lastAccessed - a.lastAccessed, -1),
        createdAt: by((a, b) => b.createdAt - a.createdAt, -1),
        name: by((a, b) => (nameOf(a) < nameOf(b) ? -1 : Number(nameOf(a) > nameOf(b))), 1),
      };
      for (const sort of Object.keys(expected) as EntrySort[]) {
        for (const limit of [1, 2, 3, 7, 1_000])
          deepStrictEqual(await listed(stage, { sort, limit }), expected[sort], `${sort} by ${limit}`);
      }
      deepStrictEqual(await listed(stage, {}), expected.id);
    },
  },
  {
    name: 'filters by state',
    async run(stage) {
      const each = await oneOfEach(stage);
      const again = await oneOfEach(stage);
      for (const state of ['NotStarted', 'Initializing', 'Downloading', 'Paused', 'Complete', 'Failed'] as const) {
        const expected = [each[state], again[state]].map((entry) => entry?.id);
        deepStrictEqual(await listed(stage, { state, limit: 1 }), expected, state);
      }
    },
  },
  {
    name: 'filters by source and by a part of source, media, quality or file name, in any case',
    async run(stage) {
      const first = await stage.add({ sourceId: 'plex', mediaId: 'Movie-100%', filename: 'The_Film.mkv' });
      const second = await stage.add({ sourceId: 'plex', quality: '1080p' });
      const third = await stage.add({ mediaId: 'MOVIE-1000' });
      deepStrictEqual(await listed(stage, { sourceId: 'plex' }), [first.id, second.id]);
      deepStrictEqual(await listed(stage, { sourceId: 'ple' }), []);
      deepStrictEqual(await listed(stage, { search: 'movie' }), [first.id, third.id]);
      deepStrictEqual(await listed(stage, { search: '100%' }), [first.id]);
      deepStrictEqual(await listed(stage, { search: 'the_f' }), [first.id]);
      deepStrictEqual(await listed(stage, { search: 'theXf' }), []);
      deepStrictEqual(await listed(stage, { search: '\\' }), []);
      deepStrictEqual(await listed(stage, { search: '1080', sourceId: 'plex', sort: 'name' }), [second.id]);
      deepStrictEqual((await listed(stage, { search: '' })).length, 3);
    },
  },
  {
    name: 'a page is full where more follow, and the last one has no cursor',
    async run(stage) {
      const ids = [(await stage.add()).id, (await stage.add()).id];
      const page = await stage.repository.entriesWithState({ limit: 2 }, stage.now);
      deepStrictEqual([page.entries.map(({ entry }) => entry.id), page.nextCursor], [ids, null]);
      deepStrictEqual(await stage.repository.entriesWithState({ limit: 5, state: 'Failed' }, stage.now), { entries: [], nextCursor: null });
    },
  },
  {
    name: 'a cursor that is not one of ours, and a limit out of bounds, are bad requests',
    async run(stage) {
      const isBad = (error: unknown): boolean => isSeekwellError(error, 'BAD_REQUEST');
      for (const cursor of ['', 'x', 'bnVsbA', Buffer.from('[1]').toString('base64url'), Buffer.from('[{},2]').toString('base64url')]) {
        await rejects(stage.repository.entriesWithState({ limit: 5, cursor }, stage.now), isBad, cursor);
      }
      for (const limit of [0, -1, 1_001, 1.5, Number.NaN]) await rejects(stage.repository.entriesWithState({ limit }, stage.now), isBad);
    },
  },
];
