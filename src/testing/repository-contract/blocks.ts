import { deepStrictEqual } from 'node:assert/strict';
import { BLOCK_BYTES } from '../../core/blocks.ts';
import { PRIORITY } from '../../core/priority.ts';
import type { BlockRow, CommitOutcome, EntryRow } from '../../repository/cache-repository.ts';
import { CHUNK, type ContractCheck, type Pair, type Stage, version } from './stage.ts';

/** Four whole blocks and a last one of 500 bytes. */
const LENGTH = 4 * BLOCK_BYTES + 500;

function commit(stage: Stage, entry: EntryRow, start: number, end: number): Promise<CommitOutcome> {
  return stage.commit(entry, start, end, { description: version('"v1"', LENGTH) });
}

async function addWith(stage: Stage, ...cached: readonly Pair[]): Promise<EntryRow> {
  const entry = await stage.add();
  for (const [start, end] of cached) await commit(stage, entry, start, end);
  return entry;
}

function blocks(stage: Stage, { id: entryId, epoch }: EntryRow, first = 0, last = 4): Promise<BlockRow[] | null> {
  return stage.other.blocks({ entryId, epoch, first, last });
}

/** Which blocks are whole, and their checksums. */
async function known(stage: Stage, entry: EntryRow): Promise<Record<number, number | null>> {
  const whole = (await blocks(stage, entry))?.filter((block) => block.whole) ?? [];
  return Object.fromEntries(whole.map(({ block, crc32 }) => [block, crc32]));
}

function record(stage: Stage, { id: entryId, epoch }: EntryRow, checksums: Readonly<Record<number, number>>): Promise<number> {
  const list = Object.entries(checksums).map(([block, crc32]) => ({ block: Number(block), crc32 }));
  return stage.repository.recordChecksums({ entryId, epoch, checksums: list }, stage.now);
}

function cut(stage: Stage, { id: entryId, epoch }: EntryRow, start: number, end: number, fill = false): Promise<boolean> {
  return stage.repository.cut({ entryId, epoch, range: { start, end }, fill }, stage.now);
}

/** Checksums of whole blocks. */
export const checksums: readonly ContractCheck[] = [
  {
    name: 'a block is whole when one span covers it; the last one ends with the resource',
    async run(stage) {
      const entry = await addWith(stage, [1, 2 * BLOCK_BYTES - 1], [3 * BLOCK_BYTES + 1, LENGTH - 1]);
      deepStrictEqual(await known(stage, entry), { 1: null, 4: null });
      const last = await blocks(stage, entry, 4, 4);
      deepStrictEqual(last, [{ block: 4, start: 4 * BLOCK_BYTES, end: LENGTH - 1, whole: true, crc32: null }]);
      deepStrictEqual(
        (await blocks(stage, entry, 5, 6))?.map(({ whole }) => whole),
        [false, false],
      );
    },
  },
  {
    name: 'while the length is not known no block is the last one',
    async run(stage) {
      const entry = await stage.add();
      await stage.commit(entry, 0, BLOCK_BYTES + 99, { description: version('"v1"', null) });
      deepStrictEqual(await known(stage, entry), { 0: null });
      const { id: entryId, epoch } = entry;
      const end = { entryId, epoch, total: BLOCK_BYTES + 100, description: version('"v1"', null), headers: {} };
      await stage.repository.finish(end, stage.now);
      deepStrictEqual(await known(stage, entry), { 0: null, 1: null });
    },
  },
  {
    name: 'only whole blocks get a checksum, and they keep the first one',
    async run(stage) {
      const entry = await addWith(stage, [0, 2 * BLOCK_BYTES]);
      deepStrictEqual(await record(stage, entry, { 0: 7, 2: 8, 4: 9, 99: 10 }), 1);
      deepStrictEqual(await record(stage, entry, { 0: 11, 1: 2 ** 32 - 1 }), 1);
      deepStrictEqual(await known(stage, entry), { 0: 7, 1: 2 ** 32 - 1 });
    },
  },
  {
    name: 'of another epoch nothing is told and nothing recorded',
    async run(stage) {
      const entry = await addWith(stage, [0, LENGTH - 1]);
      const { id: entryId, epoch } = entry;
      await stage.repository.removeBytes({ entryId, epoch, newFilePath: 'files/new' }, stage.now);
      const moved = await stage.reread(entry);
      await commit(stage, moved, 0, LENGTH - 1);
      deepStrictEqual([await record(stage, entry, { 0: 7 }), await blocks(stage, entry)], [0, null]);
      deepStrictEqual(await known(stage, moved), { 0: null, 1: null, 2: null, 3: null, 4: null });
      deepStrictEqual(await blocks(stage, { ...moved, id: 99 }), null);
    },
  },
  {
    name: 'removal of the bytes, or of the entry, takes the checksums',
    async run(stage) {
      const entry = await addWith(stage, [0, LENGTH - 1]);
      await record(stage, entry, { 0: 7, 4: 8 });
      const { id: entryId, epoch } = entry;
      await stage.repository.removeBytes({ entryId, epoch, newFilePath: 'files/new' }, stage.now);
      const moved = await stage.reread(entry);
      await commit(stage, moved, 0, LENGTH - 1);
      deepStrictEqual((await known(stage, moved))[0], null);
      await record(stage, moved, { 0: 7 });
      await stage.repository.deleteEntry(entryId, stage.now);
      deepStrictEqual(await stage.repository.oldestChecks(stage.now + 1, 10), []);
    },
  },
  {
    name: 'the block that was checked longest ago comes first',
    async run(stage) {
      const entry = await addWith(stage, [0, LENGTH - 1]);
      const entryId = entry.id;
      await record(stage, entry, { 0: 7, 1: 8 });
      stage.now += 1_000;
      await record(stage, entry, { 2: 9 });
      stage.now += 1_000;
      await stage.repository.markChecked(
        [
          { entryId, block: 0 },
          { entryId, block: 3 },
          { entryId: 99, block: 0 },
        ],
        stage.now,
      );
      const oldest = [
        { entryId, block: 1 },
        { entryId, block: 2 },
      ];
      deepStrictEqual(await stage.other.oldestChecks(stage.now, 10), oldest);
      deepStrictEqual(await stage.other.oldestChecks(stage.now + 1, 10), [...oldest, { entryId, block: 0 }]);
      deepStrictEqual(await stage.other.oldestChecks(stage.now, 1), oldest.slice(0, 1));
    },
  },
];

/** Cuts `range` out of the spans `before`. */
function clipping(name: string, before: readonly Pair[], range: Pair, after: readonly Pair[]): ContractCheck {
  return {
    name,
    async run(stage) {
      const entry = await stage.addKnown(before);
      deepStrictEqual(await cut(stage, entry, ...range), true);
      deepStrictEqual(await stage.spans(entry), after);
      const bytes = after.reduce((sum, [start, end]) => sum + end - start + 1, 0);
      deepStrictEqual((await stage.repository.statistics()).recordedBytes, bytes);
      const moved = await stage.reread(entry);
      deepStrictEqual([moved.epoch, moved.filePath, moved.etag], [entry.epoch + 1, entry.filePath, '"v1"']);
    },
  };
}

const one: readonly Pair[] = [[100, 199]];

/** Bad bytes taken out of the spans. */
export const blockCuts: readonly ContractCheck[] = [
  clipping(
    'within a span, it leaves both sides',
    one,
    [120, 149],
    [
      [100, 119],
      [150, 199],
    ],
  ),
  clipping('the start of a span', one, [0, 149], [[150, 199]]),
  clipping('from the start of a span on', one, [100, 149], [[150, 199]]),
  clipping('the end of a span', one, [150, Number.MAX_SAFE_INTEGER], [[100, 149]]),
  clipping('a whole span', one, [100, 199], []),
  clipping('beside a span, it takes no byte of it', one, [200, 299], one),
  clipping(
    'over several spans',
    [
      [0, 99],
      [200, 299],
      [400, 499],
    ],
    [50, 449],
    [
      [0, 49],
      [450, 499],
    ],
  ),
  {
    name: 'the checksums of the blocks it touches go, the others stay; the entry is not complete any more',
    async run(stage) {
      const entry = await addWith(stage, [0, LENGTH - 1]);
      await record(stage, entry, { 0: 7, 1: 8, 2: 9, 3: 10, 4: 11 });
      deepStrictEqual(await stage.state(entry), 'Complete');
      deepStrictEqual(await cut(stage, entry, BLOCK_BYTES + 5, 2 * BLOCK_BYTES), true);
      const moved = await stage.reread(entry);
      deepStrictEqual([await known(stage, moved), await stage.state(entry)], [{ 0: 7, 3: 10, 4: 11 }, 'Paused']);
      await commit(stage, moved, BLOCK_BYTES, 3 * BLOCK_BYTES);
      deepStrictEqual(await known(stage, moved), { 0: 7, 1: null, 2: null, 3: 10, 4: 11 });
      deepStrictEqual(await stage.state(entry), 'Complete');
    },
  },
  {
    name: 'of another epoch it does nothing: two that find the same block bad cut it once',
    async run(stage) {
      const entry = await stage.addKnown(one);
      deepStrictEqual([await cut(stage, entry, 100, 119), await cut(stage, entry, 120, 199)], [true, false]);
      deepStrictEqual(await cut(stage, { ...entry, id: 99 }, 0, 1), false);
      deepStrictEqual(await stage.spans(entry), [[120, 199]]);
    },
  },
  {
    name: 'what is fetched meanwhile is not recorded, and its rows are free again',
    async run(stage) {
      const entry = await stage.addKnown(one, { fillAllowed: true });
      await stage.claim(entry, 1_000);
      await stage.claim(entry, 5_000, PRIORITY.CRITICAL, stage.other);
      deepStrictEqual(await cut(stage, entry, 100, 119, true), true);
      deepStrictEqual(await stage.commit(entry, 1_000, 1_099), { kind: 'gone' });
      deepStrictEqual([await stage.held(), await stage.held(stage.other)], [[], []]);
      deepStrictEqual(await stage.claimAllPending(await stage.reread(entry)), [
        [1_000, 1_000 + CHUNK - 1],
        [5_000, 5_000 + CHUNK - 1],
      ]);
    },
  },
  {
    name: 'rows that nobody asked for go where nothing fills',
    async run(stage) {
      const entry = await stage.addKnown(one);
      await stage.claim(entry, 1_000);
      await cut(stage, entry, 100, 119);
      deepStrictEqual(await stage.repository.hasPendingDownloads(entry.id), false);
    },
  },
];
