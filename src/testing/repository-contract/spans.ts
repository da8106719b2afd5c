import { deepStrictEqual } from 'node:assert/strict';
import { PRIORITY } from '../../core/priority.ts';
import type { Description } from '../../core/validator.ts';
import type { CommitOutcome, EntryRow } from '../../repository/cache-repository.ts';
import { CHUNK, type ContractCheck, type Pair, type Stage, TOTAL, version } from './stage.ts';

const COMMITTED: CommitOutcome = { kind: 'committed', complete: false };
const COMPLETED: CommitOutcome = { kind: 'committed', complete: true };

function finish(stage: Stage, entry: EntryRow, total: number, description: Description = version('"v1"', null)): Promise<CommitOutcome> {
  return stage.repository.finish({ entryId: entry.id, epoch: entry.epoch, total, description, headers: {} }, stage.now);
}

/** Commits `added` over the spans `before`. */
function merging(name: string, before: readonly Pair[], added: Pair, after: readonly Pair[]): ContractCheck {
  return {
    name,
    async run(stage) {
      const entry = await stage.addKnown(before);
      deepStrictEqual(await stage.commit(entry, ...added), COMMITTED);
      deepStrictEqual(await stage.spans(entry), after);
      const bytes = after.reduce((sum, [start, end]) => sum + end - start + 1, 0);
      deepStrictEqual((await stage.repository.statistics()).recordedBytes, bytes);
      deepStrictEqual(await stage.repository.getDownloadedBytes(entry.id), bytes);
      deepStrictEqual(await stage.repository.getChunkCount(entry.id), after.length);
    },
  };
}

const one: readonly Pair[] = [[100, 199]];
const two: readonly Pair[] = [
  [100, 199],
  [300, 399],
];

/** Spans never overlap and never touch. */
export const merges: readonly ContractCheck[] = [
  merging(
    'apart from the others, it is a span of its own',
    one,
    [201, 250],
    [
      [100, 199],
      [201, 250],
    ],
  ),
  merging('touching the end of a span, it grows that', one, [200, 250], [[100, 250]]),
  merging('touching the start of a span, it grows that', one, [50, 99], [[50, 199]]),
  merging('overlapping the end of a span, it grows that', one, [150, 250], [[100, 250]]),
  merging('overlapping the start of a span, it grows that', one, [50, 150], [[50, 199]]),
  merging('over a span from its start on, it grows that', one, [100, 250], [[100, 250]]),
  merging('over a span, it takes its place', one, [50, 250], [[50, 250]]),
  merging('within a span, it changes nothing', one, [120, 150], one),
  merging('the same again, it changes nothing', one, [100, 199], one),
  merging('filling a hole, it joins both sides', two, [200, 299], [[100, 399]]),
  merging('over several spans, it is one', two, [0, 500], [[0, 500]]),
  merging('from one span into another, it joins them', two, [150, 350], [[100, 399]]),
];

/** Commits and the queue. */
export const cuts: readonly ContractCheck[] = [
  {
    name: 'takes what is recorded out of the rows: their middle, their ends, all of them',
    async run(stage) {
      const entry = await stage.addKnown();
      const ranges = [{ start: 1_000, end: 3_999 }];
      await stage.repository.prefetch({ entryId: entry.id, ranges, chunkSize: CHUNK }, stage.now);
      await stage.commit(entry, 1_400, 1_599);
      await stage.commit(entry, 1_800, 3_199);
      deepStrictEqual(await stage.claimAllPending(entry), [
        [1_000, 1_399],
        [1_600, 1_799],
        [3_200, 3_999],
      ]);
      await stage.commit(entry, 900, 4_500);
      deepStrictEqual(await stage.repository.hasPendingDownloads(entry.id), false);
    },
  },
  {
    name: 'leaves priority, lease and request of what remains of a row',
    async run(stage) {
      const entry = await stage.addKnown([[0, 0]], { fillAllowed: false });
      await stage.repository.prefetch({ entryId: entry.id, ranges: [{ start: 1_000, end: 1_999 }], chunkSize: CHUNK }, stage.now);
      await stage.claim(entry, 1_000);
      await stage.commit(entry, 1_300, 1_399);
      const held = await stage.repository.renew(stage.now);
      deepStrictEqual(
        held.map(({ start, end, priority }) => [start, end, priority]),
        [
          [1_000, 1_299, PRIORITY.CRITICAL],
          [1_400, 1_999, PRIORITY.CRITICAL],
        ],
      );
      await stage.repository.release({ entryId: entry.id, epoch: entry.epoch, range: { start: 0, end: TOTAL }, fill: false }, stage.now);
      deepStrictEqual((await stage.claimAllPending(entry)).length, 2);
    },
  },
  {
    name: 'needs the epoch, not the lease',
    async run(stage) {
      const entry = await stage.addKnown();
      deepStrictEqual(await stage.commit(entry, 5_000, 5_099), COMMITTED);
      await stage.claim(entry, 6_000, PRIORITY.HIGH, stage.other);
      deepStrictEqual(await stage.commit(entry, 6_000, 6_499), COMMITTED);
      deepStrictEqual(await stage.held(stage.other), [[6_500, 6_999]]);
    },
  },
  {
    name: 'of another epoch, or of an entry that does not exist, records nothing',
    async run(stage) {
      const entry = await stage.addKnown();
      deepStrictEqual(await stage.commit({ ...entry, epoch: entry.epoch + 1 }, 10, 19), { kind: 'gone' });
      deepStrictEqual(await stage.commit({ ...entry, id: entry.id + 1 }, 10, 19), { kind: 'gone' });
      await stage.repository.removeBytes({ entryId: entry.id, epoch: entry.epoch, newFilePath: 'files/new' }, stage.now);
      deepStrictEqual(await stage.commit(entry, 10, 19), { kind: 'gone' });
      deepStrictEqual(await finish(stage, entry, TOTAL), { kind: 'gone' });
      deepStrictEqual(await stage.spans(entry), []);
    },
  },
  {
    name: 'clears errors and backoff, and notes the time',
    async run(stage) {
      const entry = await stage.addKnown();
      const { id: entryId, epoch } = entry;
      await stage.repository.delay({ entryId, epoch, message: 'slow', retryAt: stage.now + 9_000 }, stage.now);
      await stage.repository.fail({ entryId, epoch, message: 'gone', status: 404 }, stage.now);
      stage.now += 5;
      await stage.commit(entry, 10, 19);
      const after = await stage.reread(entry);
      const { errorMessage, errorStatus, attempts, retryAt, lastError, updatedAt } = after;
      deepStrictEqual([errorMessage, errorStatus, attempts, retryAt, lastError, updatedAt], [null, null, 0, null, null, stage.now]);
    },
  },
  {
    name: 'completes an entry with its last byte, and not before',
    async run(stage) {
      const entry = await stage.addKnown([[0, TOTAL - 2]]);
      deepStrictEqual(await stage.state(entry), 'Paused');
      deepStrictEqual(await stage.commit(entry, TOTAL - 1, TOTAL - 1), COMPLETED);
      deepStrictEqual([await stage.state(entry), (await stage.reread(entry)).isComplete], ['Complete', true]);
      deepStrictEqual(await stage.commit(entry, 5, 9), COMPLETED);
      deepStrictEqual(await stage.commit(await stage.addKnown([[5, 5]]), 1, TOTAL - 1), COMMITTED);
    },
  },
];

/** One epoch, one version. */
export const versions: readonly ContractCheck[] = [
  {
    name: 'the first span records version, length, type and headers',
    async run(stage) {
      const entry = await stage.add();
      const description = { validator: { etag: '"a"', lastModified: 'yesterday' }, total: TOTAL, mimeType: 'video/webm' };
      await stage.commit(entry, 10, 19, { description, headers: { 'content-language': 'en' } });
      const { etag, originLastModified, mimeType, expectedTotalSize } = await stage.reread(entry);
      deepStrictEqual([etag, originLastModified, mimeType, expectedTotalSize], ['"a"', 'yesterday', 'video/webm', TOTAL]);
      deepStrictEqual(await stage.repository.headersOf(entry.id), { 'content-language': 'en' });
    },
  },
  {
    name: 'later ones change none of it',
    async run(stage) {
      const entry = await stage.addKnown();
      const before = await stage.reread(entry);
      await stage.commit(entry, 10, 19, { description: { ...version(), mimeType: 'text/html' }, headers: { 'content-language': 'en' } });
      deepStrictEqual(await stage.reread(entry), before);
      deepStrictEqual(await stage.repository.headersOf(entry.id), {});
    },
  },
  {
    name: 'bytes of another version are refused: another etag, another length',
    async run(stage) {
      const entry = await stage.addKnown();
      deepStrictEqual(await stage.commit(entry, 10, 19, { description: version('"v2"') }), { kind: 'changed' });
      deepStrictEqual(await stage.commit(entry, 10, 19, { description: version('"v1"', TOTAL + 1) }), { kind: 'changed' });
      deepStrictEqual(await finish(stage, entry, TOTAL + 1), { kind: 'changed' });
      deepStrictEqual(await stage.spans(entry), [[0, 0]]);
    },
  },
  {
    name: 'bytes beyond the end are refused',
    async run(stage) {
      deepStrictEqual(await stage.commit(await stage.add(), TOTAL - 5, TOTAL), { kind: 'changed' });
      deepStrictEqual(await stage.commit(await stage.addKnown(), TOTAL - 5, TOTAL), { kind: 'changed' });
    },
  },
  {
    name: 'a description binds the epoch before any byte is recorded',
    async run(stage) {
      const entry = await stage.add();
      const request = { entryId: entry.id, epoch: entry.epoch, description: version('"v1"'), headers: { a: 'b' } };
      deepStrictEqual(await stage.repository.describe(request), { kind: 'described' });
      deepStrictEqual(await stage.other.describe(request), { kind: 'described' });
      deepStrictEqual(await stage.other.describe({ ...request, description: version('"v2"') }), { kind: 'changed' });
      deepStrictEqual(await stage.other.describe({ ...request, epoch: entry.epoch + 1 }), { kind: 'gone' });
      deepStrictEqual(await stage.commit(entry, 0, 9, { description: version('"v2"') }), { kind: 'changed' });
      deepStrictEqual([await stage.state(entry), (await stage.reread(entry)).expectedTotalSize], ['NotStarted', TOTAL]);
      deepStrictEqual(await stage.commit(entry, 0, 9), COMMITTED);
      deepStrictEqual(await stage.repository.headersOf(entry.id), { a: 'b' });
    },
  },
  {
    name: 'a description without a name takes one from a later answer, until bytes are recorded',
    async run(stage) {
      const entry = await stage.add();
      const describe = (etag: string | null): Promise<unknown> =>
        stage.repository.describe({ entryId: entry.id, epoch: entry.epoch, description: version(etag), headers: {} });
      await describe(null);
      await describe('"v1"');
      deepStrictEqual((await stage.reread(entry)).etag, '"v1"');
      const nameless = await stage.add();
      await stage.commit(nameless, 0, 9, { description: version(null) });
      await stage.commit(nameless, 10, 19, { description: version('"v1"') });
      deepStrictEqual([(await stage.reread(nameless)).etag, await stage.spans(nameless)], [null, [[0, 19]]]);
    },
  },
  {
    name: 'after a removal, the epoch that follows takes any version',
    async run(stage) {
      const entry = await stage.addKnown();
      await stage.repository.removeBytes({ entryId: entry.id, epoch: entry.epoch, newFilePath: 'files/new' }, stage.now);
      const next = await stage.reread(entry);
      deepStrictEqual(await stage.commit(next, 5, 9, { description: version('"v2"', 50) }), COMMITTED);
      deepStrictEqual([(await stage.reread(entry)).etag, (await stage.reread(entry)).expectedTotalSize], ['"v2"', 50]);
    },
  },
  {
    name: 'a resource without etag is told apart by Last-Modified',
    async run(stage) {
      const entry = await stage.add();
      const of = (lastModified: string): Description => ({ ...version(), validator: { etag: null, lastModified } });
      deepStrictEqual(await stage.commit(entry, 0, 9, { description: of('monday') }), COMMITTED);
      deepStrictEqual(await stage.commit(entry, 10, 19, { description: of('tuesday') }), { kind: 'changed' });
      deepStrictEqual(await stage.commit(entry, 10, 19, { description: of('monday') }), COMMITTED);
    },
  },
];

/** Lengths that are known late, and rows that turn out to lie beyond them. */
export const lengths: readonly ContractCheck[] = [
  {
    name: 'rows beyond a total that becomes known go, and one across it is cut',
    async run(stage) {
      const entry = await stage.add();
      const ranges = [{ start: 0, end: 4 * CHUNK - 1 }];
      await stage.repository.prefetch({ entryId: entry.id, ranges, chunkSize: CHUNK }, stage.now);
      await stage.commit(entry, 0, 9, { description: version('"v1"', 2_500) });
      deepStrictEqual(await stage.claimAllPending(entry), [
        [10, 999],
        [1_000, 1_999],
        [2_000, 2_499],
      ]);
    },
  },
  {
    name: 'a resource without a length grows, and is complete once its end is known',
    async run(stage) {
      const entry = await stage.add();
      const description = version('"v1"', null);
      deepStrictEqual(await stage.commit(entry, 0, 99, { description }), COMMITTED);
      deepStrictEqual([(await stage.reread(entry)).expectedTotalSize, await stage.state(entry)], [null, 'Paused']);
      deepStrictEqual(await stage.commit(entry, 100, 299, { description }), COMMITTED);
      await stage.claim(entry, 300);
      deepStrictEqual(await finish(stage, entry, 300), COMPLETED);
      deepStrictEqual([(await stage.reread(entry)).expectedTotalSize, await stage.state(entry)], [300, 'Complete']);
      deepStrictEqual(await stage.held(), []);
      deepStrictEqual(await finish(stage, entry, 300), COMPLETED);
    },
  },
  {
    name: 'an end with a hole before it does not complete',
    async run(stage) {
      const entry = await stage.add();
      await stage.commit(entry, 100, 299, { description: version('"v1"', null) });
      deepStrictEqual(await finish(stage, entry, 300), COMMITTED);
      deepStrictEqual([(await stage.reread(entry)).expectedTotalSize, await stage.state(entry)], [300, 'Paused']);
      deepStrictEqual(await stage.commit(entry, 0, 99), { kind: 'changed' });
      deepStrictEqual(await stage.commit(entry, 0, 99, { description: version('"v1"', null) }), COMPLETED);
    },
  },
  {
    name: 'a length that only a later answer tells is recorded',
    async run(stage) {
      const entry = await stage.add();
      await stage.commit(entry, 0, 99, { description: version('"v1"', null) });
      deepStrictEqual(await stage.commit(entry, 200, 299), COMMITTED);
      deepStrictEqual((await stage.reread(entry)).expectedTotalSize, TOTAL);
    },
  },
  {
    name: 'a length that the spans exceed is refused',
    async run(stage) {
      const entry = await stage.add();
      await stage.commit(entry, 0, 99, { description: version('"v1"', null) });
      deepStrictEqual(await stage.commit(entry, 10, 19, { description: version('"v1"', 99) }), { kind: 'changed' });
      deepStrictEqual(await finish(stage, entry, 99), { kind: 'changed' });
      deepStrictEqual(await finish(stage, entry, 0), { kind: 'changed' });
      deepStrictEqual((await stage.reread(entry)).expectedTotalSize, null);
    },
  },
  {
    name: 'an empty resource is complete without a byte',
    async run(stage) {
      const entry = await stage.add();
      await stage.repository.prefetch({ entryId: entry.id, ranges: [{ start: 0, end: 99 }], chunkSize: CHUNK }, stage.now);
      deepStrictEqual(await finish(stage, entry, 0, version('"v1"', 0)), COMPLETED);
      const { isComplete, expectedTotalSize } = await stage.reread(entry);
      deepStrictEqual([isComplete, expectedTotalSize, await stage.state(entry)], [true, 0, 'Complete']);
      deepStrictEqual((await stage.repository.state(entry))?.expectedTotalSize, 0);
      deepStrictEqual(await stage.repository.hasPendingDownloads(entry.id), false);
      deepStrictEqual(await stage.commit(entry, 0, 9), { kind: 'changed' });
    },
  },
];
