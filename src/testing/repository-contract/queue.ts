import { deepStrictEqual, ok } from 'node:assert/strict';
import { PRIORITY } from '../../core/priority.ts';
import { type EntryRow, LEASE_MS, LEASE_REACH_MS, MAX_FILL_ROWS } from '../../repository/cache-repository.ts';
import { CHUNK, type ContractCheck, type Stage, TOTAL, version } from './stage.ts';

const { CRITICAL, HIGH, MEDIUM, LOW } = PRIORITY;

function fill(stage: Stage, entry: EntryRow, chunkSize = CHUNK): Promise<number> {
  return stage.repository.fill({ entryId: entry.id, epoch: entry.epoch, chunkSize }, stage.now);
}

function prefetch(stage: Stage, entry: EntryRow, start: number, end: number): Promise<number> {
  return stage.repository.prefetch({ entryId: entry.id, ranges: [{ start, end }], chunkSize: CHUNK }, stage.now);
}

function release(stage: Stage, entry: EntryRow, start: number, end: number, fills = false): Promise<void> {
  return stage.repository.release({ entryId: entry.id, epoch: entry.epoch, range: { start, end }, fill: fills }, stage.now);
}

async function pending(stage: Stage): Promise<unknown[]> {
  return (await stage.repository.pendingWork(10, stage.now)).map(({ start, end, priority }) => [start, end, priority]);
}

/** What becomes of rows that are given up. */
export const releases: readonly ContractCheck[] = [
  {
    name: 'a row nobody asked for goes, unless the process fills and the entry may be filled',
    async run(stage) {
      const entry = await stage.addKnown();
      await stage.claim(entry, 1_000);
      await release(stage, entry, 1_000, 1_999);
      deepStrictEqual(await stage.repository.hasPendingDownloads(entry.id), false);
      await stage.claim(entry, 1_000, HIGH);
      await release(stage, entry, 1_000, 1_999, true);
      deepStrictEqual(await pending(stage), [[1_000, 1_999, LOW]]);
      const unfilled = await stage.addKnown([[0, 0]], { fillAllowed: false });
      await stage.claim(unfilled, 1_000, HIGH);
      await release(stage, unfilled, 1_000, 1_999, true);
      deepStrictEqual(await stage.repository.hasPendingDownloads(unfilled.id), false);
    },
  },
  {
    name: 'a row the user asked for is MEDIUM again',
    async run(stage) {
      const entry = await stage.addKnown([[0, 0]], { fillAllowed: false });
      const isIdle = (): Promise<boolean> => stage.repository.hasIdleRows(entry.id);
      deepStrictEqual(await isIdle(), false);
      await prefetch(stage, entry, 1_000, 1_999);
      deepStrictEqual(await isIdle(), true);
      await stage.claim(entry, 1_000);
      deepStrictEqual([await pending(stage), await isIdle(), await stage.repository.hasPendingDownloads(entry.id)], [[], false, true]);
      await release(stage, entry, 1_000, 1_999);
      deepStrictEqual([await pending(stage), await isIdle()], [[[1_000, 1_999, MEDIUM]], true]);
    },
  },
  {
    name: 'only rows of this process within the range are given up',
    async run(stage) {
      const entry = await stage.addKnown();
      await stage.claim(entry, 1_000);
      await stage.claim(entry, 3_000);
      await stage.claim(entry, 5_000, HIGH, stage.other);
      await release(stage, entry, 2_000, TOTAL);
      deepStrictEqual([await stage.held(), await stage.held(stage.other)], [[[1_000, 1_999]], [[5_000, 5_999]]]);
    },
  },
  {
    name: 'what was claimed before a removal is not given up after it: the same bytes belong to another fetch now',
    async run(stage) {
      const entry = await stage.addKnown();
      await stage.claim(entry, 1_000);
      const [newFilePath = ''] = stage.newFilePaths(1);
      await stage.repository.removeBytes({ entryId: entry.id, epoch: entry.epoch, newFilePath }, stage.now);
      const now = await stage.reread(entry);
      await stage.claim(now, 1_000);
      await release(stage, entry, 1_000, 1_999);
      const held = (await stage.repository.renew(stage.now)).map(({ epoch, start, end }) => [epoch, start, end]);
      deepStrictEqual(held, [[now.epoch, 1_000, 1_999]]);
    },
  },
  {
    name: 'the sweep does the same for rows whose lease is not live, and for no others',
    async run(stage) {
      const entry = await stage.addKnown();
      await prefetch(stage, entry, 1_000, 1_999);
      await stage.claim(entry, 1_000, CRITICAL, stage.other);
      await stage.claim(entry, 3_000, HIGH, stage.other);
      stage.now += LEASE_MS;
      await stage.claim(entry, 5_000);
      deepStrictEqual(await stage.repository.sweep(true, stage.now), 0);
      stage.now += 1;
      deepStrictEqual(await stage.repository.sweep(false, stage.now), 2);
      deepStrictEqual(await pending(stage), [[1_000, 1_999, MEDIUM]]);
      deepStrictEqual([await stage.held(), await stage.held(stage.other)], [[[5_000, 5_999]], []]);
    },
  },
  {
    name: 'the sweep deletes rows of an entry that may not be filled',
    async run(stage) {
      const entry = await stage.addKnown([[0, 0]], { fillAllowed: false });
      await stage.claim(entry, 3_000, HIGH, stage.other);
      stage.now += LEASE_MS + 1;
      deepStrictEqual(await stage.repository.sweep(true, stage.now), 1);
      deepStrictEqual(await stage.repository.hasPendingDownloads(entry.id), false);
    },
  },
  {
    name: 'the sweep takes rows whose lease ends too far ahead: a clock jumped',
    async run(stage) {
      const entry = await stage.addKnown();
      await stage.claim(entry, 3_000, HIGH, stage.other);
      stage.now -= 60_000;
      deepStrictEqual(await stage.repository.sweep(true, stage.now), 1);
      deepStrictEqual(await pending(stage), [[3_000, 3_999, LOW]]);
    },
  },
];

/** Background fill. */
export const fills: readonly ContractCheck[] = [
  {
    name: 'plans LOW rows of one chunk over exactly what neither a span nor a row covers',
    async run(stage) {
      const entry = await stage.addKnown([
        [0, 99],
        [5_000, 5_999],
      ]);
      await stage.claim(entry, 3_500);
      deepStrictEqual(await fill(stage, entry), 4 + 1 + 4);
      deepStrictEqual(await fill(stage, entry), 0);
      deepStrictEqual(await pending(stage), [[100, 1_099, LOW]]);
      const planned = await stage.claimAllPending(entry);
      deepStrictEqual(planned.slice(0, 5), [
        [100, 1_099],
        [1_100, 2_099],
        [2_100, 3_099],
        [3_100, 3_499],
        [4_500, 4_999],
      ]);
      deepStrictEqual(planned.at(-1), [9_000, 9_999]);
    },
  },
  {
    name: 'plans nothing without a length, for a complete entry, in another epoch, or where filling is not allowed',
    async run(stage) {
      deepStrictEqual(await fill(stage, await stage.add()), 0);
      const endless = await stage.add();
      await stage.commit(endless, 0, 9, { description: version('"v1"', null) });
      deepStrictEqual(await fill(stage, endless), 0);
      deepStrictEqual(await fill(stage, await stage.addKnown([[0, TOTAL - 1]])), 0);
      const entry = await stage.addKnown();
      deepStrictEqual(await fill(stage, { ...entry, epoch: entry.epoch + 1 }), 0);
      deepStrictEqual(await fill(stage, await stage.addKnown([[0, 0]], { fillAllowed: false })), 0);
      deepStrictEqual(await fill(stage, entry), 10);
    },
  },
  {
    name: 'plans at most 16,384 rows: they grow for large resources',
    async run(stage) {
      const entry = await stage.add();
      const total = 4 * MAX_FILL_ROWS * CHUNK;
      await stage.commit(entry, 0, 0, { description: version('"v1"', total) });
      const rows = await fill(stage, entry);
      ok(rows <= MAX_FILL_ROWS && rows > MAX_FILL_ROWS / 2, `${rows} rows`);
      deepStrictEqual((await stage.repository.state(entry))?.pendingChunks, rows);
      deepStrictEqual((await stage.ensure(entry, total - 1, { priority: LOW })).kind, 'mine', 'the end is planned too');
    },
  },
  {
    name: 'plans at most 16,384 rows between many others, over all that is missing',
    async run(stage) {
      const entry = await stage.add();
      const total = MAX_FILL_ROWS * CHUNK;
      const description = version('"v1"', total);
      for (let at = 0; at < 100; at++) await stage.commit(entry, at * 30 * CHUNK, at * 30 * CHUNK, { description });
      const ranges = Array.from({ length: 4_000 }, (_, at) => ({ start: at * 4 * CHUNK + 7, end: at * 4 * CHUNK + 7 }));
      await stage.repository.prefetch({ entryId: entry.id, ranges, chunkSize: CHUNK }, stage.now);
      await fill(stage, entry);
      const rows = (await stage.repository.state(entry))?.pendingChunks ?? 0;
      ok(rows <= MAX_FILL_ROWS, `${rows} rows`);
      deepStrictEqual((await stage.ensure(entry, total - 1, { priority: LOW })).kind, 'mine', 'the end is planned too');
    },
  },
];

/** What the user asks for, and stops asking for. */
export const requests: readonly ContractCheck[] = [
  {
    name: 'prefetch plans MEDIUM rows, raises LOW ones, and counts both',
    async run(stage) {
      const entry = await stage.addKnown([[0, 999]]);
      await stage.claim(entry, 2_000, HIGH);
      await release(stage, entry, 2_000, 2_999, true);
      deepStrictEqual(await pending(stage), [[2_000, 2_999, LOW]]);
      deepStrictEqual(await prefetch(stage, entry, 0, 3_999), 3);
      deepStrictEqual(await prefetch(stage, entry, 0, 3_999), 3);
      deepStrictEqual(await pending(stage), [[1_000, 1_999, MEDIUM]]);
      deepStrictEqual(await stage.claimAllPending(entry), [
        [1_000, 1_999],
        [2_000, 2_999],
        [3_000, 3_999],
      ]);
    },
  },
  {
    name: 'prefetch takes several ranges, and cuts them at the end of the resource',
    async run(stage) {
      const entry = await stage.addKnown();
      const ranges = [
        { start: 1, end: 99 },
        { start: TOTAL - 100, end: TOTAL + 100 },
        { start: TOTAL + 5, end: TOTAL + 9 },
      ];
      deepStrictEqual(await stage.repository.prefetch({ entryId: entry.id, ranges, chunkSize: CHUNK }, stage.now), 2);
      deepStrictEqual(await stage.claimAllPending(entry), [
        [1, 99],
        [TOTAL - 100, TOTAL - 1],
      ]);
    },
  },
  {
    name: 'prefetch of what is there, or of nothing, asks for nothing',
    async run(stage) {
      deepStrictEqual(await prefetch(stage, await stage.addKnown([[0, TOTAL - 1]]), 0, TOTAL - 1), 0);
      deepStrictEqual(await prefetch(stage, await stage.addKnown([[0, 99]]), 0, 99), 0);
      deepStrictEqual(await prefetch(stage, { ...(await stage.add()), id: 999 }, 0, 99), 0);
    },
  },
  {
    name: 'pause deletes what no reader waits for, and forgets what the user asked for',
    async run(stage) {
      const entry = await stage.addKnown();
      await prefetch(stage, entry, 1_000, 2_999);
      await fill(stage, entry);
      await stage.claim(entry, 1_000);
      await stage.claim(entry, 5_001, HIGH);
      deepStrictEqual(await stage.repository.pause(entry.id, stage.now), true);
      deepStrictEqual(await stage.held(), [[1_000, 1_999]]);
      deepStrictEqual([await pending(stage), (await stage.reread(entry)).fillAllowed], [[], false]);
      deepStrictEqual(await stage.state(entry), 'Downloading', 'a reader waits');
      await release(stage, entry, 0, TOTAL, true);
      deepStrictEqual(await stage.state(entry), 'Paused');
      deepStrictEqual(await fill(stage, entry), 0);
      deepStrictEqual(await stage.repository.pause(999, stage.now), false);
    },
  },
  {
    name: 'retry allows filling again, and forgets failures',
    async run(stage) {
      const entry = await stage.addKnown();
      const { id: entryId, epoch } = entry;
      await stage.repository.pause(entryId, stage.now);
      await stage.repository.delay({ entryId, epoch, message: 'slow', retryAt: stage.now + 1 }, stage.now);
      await stage.repository.fail({ entryId, epoch, message: 'no', status: 410 }, stage.now);
      deepStrictEqual(await stage.state(entry), 'Failed');
      deepStrictEqual(await stage.repository.retry(entryId, stage.now), true);
      const { fillAllowed, errorMessage, errorStatus, attempts, retryAt, lastError } = await stage.reread(entry);
      deepStrictEqual([fillAllowed, errorMessage, errorStatus, attempts, retryAt, lastError], [true, null, null, 0, null, null]);
      deepStrictEqual(await stage.repository.retry(999, stage.now), false);
    },
  },
];

/** Failures, and what background work is left. */
export const failures: readonly ContractCheck[] = [
  {
    name: 'a permanent failure is noted and deletes the rows of the entry, of this epoch only',
    async run(stage) {
      const entry = await stage.addKnown();
      await fill(stage, entry);
      const request = { entryId: entry.id, message: 'the origin answers 404', status: 404 };
      await stage.repository.fail({ ...request, epoch: entry.epoch + 1 }, stage.now);
      deepStrictEqual([await stage.state(entry), await stage.repository.hasPendingDownloads(entry.id)], ['Downloading', true]);
      await stage.repository.fail({ ...request, epoch: entry.epoch }, stage.now);
      deepStrictEqual([await stage.state(entry), await stage.repository.hasPendingDownloads(entry.id)], ['Failed', false]);
      const { errorMessage, errorStatus } = await stage.reread(entry);
      deepStrictEqual([errorMessage, errorStatus], ['the origin answers 404', 404]);
    },
  },
  {
    name: 'a passing failure counts tries and holds background work off, of this epoch only',
    async run(stage) {
      const entry = await stage.addKnown();
      await fill(stage, entry);
      const request = { entryId: entry.id, epoch: entry.epoch, message: 'reset', retryAt: stage.now + 500 };
      deepStrictEqual(await stage.repository.delay({ ...request, epoch: 99 }, stage.now), 0);
      deepStrictEqual(await stage.repository.nextWorkAt(stage.now), null);
      deepStrictEqual([await stage.repository.delay(request, stage.now), await stage.repository.delay(request, stage.now)], [1, 2]);
      deepStrictEqual([await pending(stage), await stage.repository.nextWorkAt(stage.now)], [[], stage.now + 500]);
      deepStrictEqual((await stage.ensure(entry, 1)).kind, 'mine', 'a reader does not wait');
      stage.now += 500;
      deepStrictEqual([await pending(stage), await stage.repository.nextWorkAt(stage.now)], [[[1_001, 2_000, LOW]], stage.now + 1_501]);
      deepStrictEqual([await stage.state(entry), (await stage.reread(entry)).lastError], ['Downloading', 'reset']);
    },
  },
  {
    name: 'the next try is that of the entry whose time comes first, among those that have rows',
    async run(stage) {
      for (const wait of [700, 300, 100]) {
        const entry = await stage.addKnown();
        if (wait > 100) await fill(stage, entry);
        await stage.repository.delay({ entryId: entry.id, epoch: entry.epoch, message: 'x', retryAt: stage.now + wait }, stage.now);
      }
      deepStrictEqual(await stage.repository.nextWorkAt(stage.now), stage.now + 300);
      deepStrictEqual(await stage.repository.nextWorkAt(stage.now + 300), stage.now + 700);
    },
  },
  {
    name: 'there may be work again when a lease ends, whoever holds it and however far ahead a clock that jumped put its end',
    async run(stage) {
      const entry = await stage.addKnown();
      deepStrictEqual(await stage.repository.nextWorkAt(stage.now), null);
      await stage.claim(entry, 3_000, CRITICAL, stage.other);
      stage.now += 500;
      await stage.claim(entry, 1_000);
      deepStrictEqual(await stage.repository.nextWorkAt(stage.now), stage.now + LEASE_MS - 499);
      deepStrictEqual(await stage.repository.nextWorkAt(stage.now - 60_000), stage.now - 60_000 + LEASE_REACH_MS + 1);
      deepStrictEqual(await stage.repository.nextWorkAt(stage.now + LEASE_MS + 1), null, 'the sweep takes what has ended');
    },
  },
  {
    name: 'background work comes by priority, then by last read, one row an entry, no leased ones',
    async run(stage) {
      const entries = [await stage.addKnown(), await stage.addKnown(), await stage.addKnown()];
      for (const [index, entry] of entries.entries()) {
        await fill(stage, entry);
        await stage.repository.touch(entry.id, stage.now + [2, 1, 3][index]!);
      }
      const [first, second, third] = entries as [EntryRow, EntryRow, EntryRow];
      await prefetch(stage, second, 5_001, 6_000);
      await stage.claim(third, 1, LOW);
      const work = await stage.repository.pendingWork(10, stage.now);
      deepStrictEqual(
        work.map(({ entry, start, priority }) => [entry.id, start, priority]),
        [
          [second.id, 5_001, MEDIUM],
          [third.id, 1_001, LOW],
          [first.id, 1, LOW],
        ],
      );
      deepStrictEqual(
        (await stage.repository.pendingWork(2, stage.now)).map(({ entry }) => entry.id),
        [second.id, third.id],
      );
    },
  },
];
