import { deepStrictEqual } from 'node:assert/strict';
import { PRIORITY } from '../../core/priority.ts';
import { BEING_READ_MS, type EntryRow, type EvictOutcome, type EvictRequest, LEASE_MS } from '../../repository/cache-repository.ts';
import { CHUNK, type ContractCheck, pairs, type Stage, version } from './stage.ts';

const { CRITICAL, HIGH, LOW } = PRIORITY;

const MINUTE = 60_000;

/** Asks for room, in the name of a reader of an entry without bytes where a check says nothing else. */
function evict(stage: Stage, given: Partial<EvictRequest>, by = stage.repository): Promise<EvictOutcome> {
  const newFilePaths = stage.newFilePaths(9);
  return by.evict({ for: 'reader', entryId: null, quota: 0, bytes: 0, newFilePaths, ...given }, stage.now);
}

/** Entries with 1,000 bytes each, read one after the other, a minute apart, the last one `ago` milliseconds ago. */
async function readOneByOne(stage: Stage, count: number, ago = BEING_READ_MS + MINUTE): Promise<EntryRow[]> {
  const entries: EntryRow[] = [];
  for (let index = 0; index < count; index++) entries.push(await stage.addKnown([[0, 999]], { filePath: `files/read-${index}.mkv` }));
  for (const [index, entry] of entries.entries()) await stage.repository.touch(entry.id, stage.now - ago - (count - 1 - index) * MINUTE);
  return entries;
}

/** Which of `entries` have bytes, by their place. */
async function kept(stage: Stage, entries: readonly EntryRow[]): Promise<number[]> {
  const counts = await Promise.all(entries.map((entry) => stage.repository.getDownloadedBytes(entry.id)));
  return counts.flatMap((count, index) => (count > 0 ? [index] : []));
}

/** What an eviction does. */
export const evictions: readonly ContractCheck[] = [
  {
    name: 'the least recently accessed go first, whole, and no more of them than needed',
    async run(stage) {
      const entries = await readOneByOne(stage, 4);
      const asker = await stage.add();
      const outcome = await evict(stage, { entryId: asker.id, quota: 4_000, bytes: 1_001 });
      deepStrictEqual(outcome, { evicted: entries.slice(0, 2).map(({ id }) => ({ entryId: id, bytes: 1_000 })), missing: 0 });
      deepStrictEqual(await kept(stage, entries), [2, 3]);
    },
  },
  {
    name: 'it is a removal: another epoch and file, nothing known of the version, the old file in the trash, the entry still there',
    async run(stage) {
      const [entry] = (await readOneByOne(stage, 1)) as [EntryRow];
      await stage.repository.prefetch({ entryId: entry.id, ranges: [{ start: 2_000, end: 2_999 }], chunkSize: CHUNK }, 0);
      const asker = await stage.add();
      await evict(stage, { entryId: asker.id, quota: 1_000, bytes: 1_000 });
      const after = await stage.reread(entry);
      deepStrictEqual([after.epoch, after.isComplete, after.etag, after.expectedTotalSize], [entry.epoch + 1, false, null, 0]);
      deepStrictEqual(/^files\/new-1\.mkv$/.test(after.filePath), true);
      deepStrictEqual(await stage.repository.hasPendingDownloads(entry.id), false);
      deepStrictEqual(
        (await stage.repository.trash()).map(({ filePath }) => filePath),
        [entry.filePath],
      );
      deepStrictEqual((await stage.commit(entry, 3_000, 3_009)).kind, 'gone');
    },
  },
  {
    name: 'two that need the same room evict once: the need is looked at when it is carried out',
    async run(stage) {
      const entries = await readOneByOne(stage, 3);
      const askers = [await stage.add(), await stage.add()];
      const need = { quota: 3_000, bytes: 900 };
      const outcomes = await Promise.all([
        evict(stage, { entryId: askers[0]?.id ?? 0, ...need }),
        evict(stage, { entryId: askers[1]?.id ?? 0, ...need }, stage.other),
      ]);
      deepStrictEqual(outcomes.map(({ evicted }) => evicted.length).sort(), [0, 1]);
      deepStrictEqual(
        outcomes.map(({ missing }) => missing),
        [0, 0],
      );
      deepStrictEqual(await kept(stage, entries), [1, 2]);
    },
  },
  {
    name: 'what is pinned stays, and so does the one that asks',
    async run(stage) {
      const entries = await readOneByOne(stage, 3);
      await stage.repository.setPinned(entries[0]?.id ?? 0, true);
      const outcome = await evict(stage, { entryId: entries[1]?.id ?? 0, quota: 12_000, bytes: 9_500 });
      deepStrictEqual(outcome, { evicted: [{ entryId: entries[2]?.id, bytes: 1_000 }], missing: 0 });
      deepStrictEqual((await evict(stage, { entryId: entries[1]?.id ?? 0, quota: 12_000, bytes: 10_500 })).missing, 500);
      deepStrictEqual(await kept(stage, entries), [0, 1]);
    },
  },
  {
    name: 'nothing goes for bytes that cannot be had, whatever went',
    async run(stage) {
      const entries = await readOneByOne(stage, 3);
      const asker = await stage.add();
      deepStrictEqual(await evict(stage, { entryId: asker.id, quota: 3_000, bytes: 3_001 }), { evicted: [], missing: 3_001 });
      await stage.claim(asker, 0);
      deepStrictEqual(await evict(stage, { entryId: asker.id, quota: 4_000, bytes: 3_001 }), { evicted: [], missing: 3_001 });
      deepStrictEqual(await kept(stage, entries), [0, 1, 2]);
    },
  },
  {
    name: 'nothing goes for an entry that is larger than the quota less what others have pinned; what is too much already goes all the same',
    async run(stage) {
      const entries = await readOneByOne(stage, 3);
      const asker = await stage.addKnown([[0, 9]]);
      const ask = (quota: number): Promise<EvictOutcome> => evict(stage, { entryId: asker.id, quota, bytes: 7_000 });
      deepStrictEqual((await ask(9_999)).evicted, []);
      await stage.repository.setPinned(entries[2]?.id ?? 0, true);
      deepStrictEqual((await ask(10_009)).evicted, []);
      deepStrictEqual(await kept(stage, entries), [0, 1, 2]);
      deepStrictEqual((await ask(3_009)).evicted, [{ entryId: entries[0]?.id, bytes: 1_000 }]);
      await stage.repository.setPinned(asker.id, true);
      deepStrictEqual((await evict(stage, { entryId: asker.id, quota: 11_000, bytes: 9_990 })).missing, 0);
    },
  },
  {
    name: 'a reader takes what is being read only when nothing else is left',
    async run(stage) {
      const [old, ...read] = await readOneByOne(stage, 3, 0);
      const asker = await stage.add();
      await stage.repository.touch(old?.id ?? 0, stage.now - BEING_READ_MS - 1);
      deepStrictEqual((await evict(stage, { entryId: asker.id, quota: 3_000, bytes: 1_000 })).evicted, [
        { entryId: old?.id, bytes: 1_000 },
      ]);
      deepStrictEqual((await evict(stage, { entryId: asker.id, quota: 2_000, bytes: 1_000 })).evicted, [
        { entryId: read[0]?.id, bytes: 1_000 },
      ]);
    },
  },
  {
    name: 'what nobody read yet is not being read, however new it is',
    async run(stage) {
      const [read] = (await readOneByOne(stage, 1, 0)) as [EntryRow];
      const fresh = await stage.addKnown([[0, 999]]);
      const asker = await stage.add();
      await evict(stage, { entryId: asker.id, quota: 2_000, bytes: 1_000 });
      deepStrictEqual(await kept(stage, [read, fresh]), [0]);
    },
  },
  {
    name: 'what is fetched for a reader stays while its lease lives; what is fetched in the background goes last',
    async run(stage) {
      const entries = (await readOneByOne(stage, 3)) as [EntryRow, EntryRow, EntryRow];
      const [watched, filled, idle] = entries;
      await stage.claim(watched, 2_000, CRITICAL, stage.other);
      await stage.claim(watched, 5_000, HIGH, stage.other);
      await stage.repository.fill({ entryId: filled.id, epoch: filled.epoch, chunkSize: CHUNK }, stage.now);
      await stage.claim(filled, 1_000, LOW, stage.other);
      const used = 6_000;
      const asker = await stage.add();
      const ask = (quota: number): Promise<EvictOutcome> => evict(stage, { entryId: asker.id, quota });
      deepStrictEqual((await ask(used - 1)).evicted, [{ entryId: idle.id, bytes: 1_000 }]);
      // With the entry go the rows that were leased for it: they were room too.
      deepStrictEqual(await ask(used - 1_001), { evicted: [{ entryId: filled.id, bytes: 1_000 }], missing: 0 });
      deepStrictEqual(await ask(2_999), { evicted: [], missing: 1 });
      stage.now += LEASE_MS + 1;
      deepStrictEqual((await ask(2_999)).evicted, [{ entryId: watched.id, bytes: 1_000 }]);
    },
  },
  {
    name: 'background work takes nothing that is read, fetched, or was accessed after the entry it works for',
    async run(stage) {
      const entries = (await readOneByOne(stage, 4)) as [EntryRow, EntryRow, EntryRow, EntryRow];
      const [fetched, older, asker, newer] = entries;
      await stage.claim(fetched, 1_000, HIGH, stage.other);
      const ask = (bytes: number): Promise<EvictOutcome> => evict(stage, { for: 'background', entryId: asker.id, quota: 11_000, bytes });
      deepStrictEqual(await ask(7_001), { evicted: [], missing: 1_001 });
      deepStrictEqual(await ask(7_000), { evicted: [{ entryId: older.id, bytes: 1_000 }], missing: 0 });
      deepStrictEqual(await kept(stage, [fetched, older, asker, newer]), [0, 2, 3]);
      await stage.repository.touch(asker.id, stage.now);
      await stage.repository.touch(newer.id, stage.now - BEING_READ_MS + 1);
      deepStrictEqual((await ask(8_000)).evicted, []);
      await stage.repository.touch(newer.id, stage.now - BEING_READ_MS - 1);
      deepStrictEqual((await ask(8_000)).evicted, [{ entryId: newer.id, bytes: 1_000 }]);
    },
  },
  {
    name: 'what the user asks for counts as accessed then',
    async run(stage) {
      const [asker, other] = (await readOneByOne(stage, 2)) as [EntryRow, EntryRow];
      const ask = { for: 'background', entryId: asker.id, quota: 10_000, bytes: 8_500 } as const;
      deepStrictEqual((await evict(stage, ask)).evicted, []);
      await stage.repository.prefetch({ entryId: asker.id, ranges: [{ start: 0, end: 9_999 }], chunkSize: CHUNK }, stage.now);
      deepStrictEqual((await evict(stage, ask)).evicted, [{ entryId: other.id, bytes: 1_000 }]);
    },
  },
  {
    name: 'for the quota everything that exceeds it goes, and what is read last; no more entries at once than there are new names',
    async run(stage) {
      const entries = await readOneByOne(stage, 4, 0);
      const shrink = (quota: number, names: string[]): Promise<EvictOutcome> => evict(stage, { for: 'quota', quota, newFilePaths: names });
      deepStrictEqual(await shrink(4_000, ['files/a']), { evicted: [], missing: 0 });
      deepStrictEqual((await shrink(1_000, ['files/b', 'files/c'])).missing, 1_000);
      deepStrictEqual(await kept(stage, entries), [2, 3]);
      await stage.repository.setPinned(entries[3]?.id ?? 0, true);
      deepStrictEqual(await shrink(0, ['files/d', 'files/e']), { evicted: [{ entryId: entries[2]?.id, bytes: 1_000 }], missing: 1_000 });
    },
  },
  {
    name: 'entries without bytes are no room',
    async run(stage) {
      const asker = await stage.add();
      const heard = await stage.add();
      await stage.repository.describe({ entryId: heard.id, epoch: 0, description: version(), headers: {} });
      deepStrictEqual(await evict(stage, { entryId: asker.id, quota: 0, bytes: 1 }), { evicted: [], missing: 1 });
      deepStrictEqual((await stage.reread(heard)).epoch, 0);
      deepStrictEqual(pairs(await stage.repository.spans(heard.id)), []);
    },
  },
];
