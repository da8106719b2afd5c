import { deepStrictEqual } from 'node:assert/strict';
import { PRIORITY } from '../../core/priority.ts';
import { LEASE_MS } from '../../repository/cache-repository.ts';
import { CHUNK, type ContractCheck, granted, TOTAL } from './stage.ts';

const { HIGH, MEDIUM } = PRIORITY;

/** Several rows in one claim. */
export const runs: readonly ContractCheck[] = [
  {
    name: 'a run goes on over pending rows and over bytes without a row',
    async run(stage) {
      const entry = await stage.addKnown();
      await stage.repository.prefetch({ entryId: entry.id, ranges: [{ start: 2_000, end: 2_499 }], chunkSize: CHUNK }, stage.now);
      deepStrictEqual(await stage.ensure(entry, 1_000, { priority: HIGH, rows: 3 }), granted(3_499));
      deepStrictEqual(await stage.held(), [
        [1_000, 1_999],
        [2_000, 2_499],
        [2_500, 3_499],
      ]);
    },
  },
  {
    name: 'a run ends at a span, at a live row, at the limit and with the resource',
    async run(stage) {
      const entry = await stage.addKnown([[2_000, 2_009]]);
      const rows = 4;
      deepStrictEqual(await stage.ensure(entry, 1_000, { rows }), granted(1_999));
      await stage.claim(entry, 5_000, HIGH, stage.other);
      deepStrictEqual(await stage.ensure(entry, 3_500, { rows }), granted(4_999));
      deepStrictEqual(await stage.ensure(entry, 6_000, { rows, limit: 7_200 }), granted(7_200));
      deepStrictEqual(await stage.ensure(entry, TOTAL - 1_500, { rows }), granted(TOTAL - 1));
    },
  },
  {
    name: 'a run of background work ends with the rows there are',
    async run(stage) {
      const entry = await stage.addKnown();
      await stage.repository.prefetch({ entryId: entry.id, ranges: [{ start: 1_000, end: 2_999 }], chunkSize: CHUNK }, stage.now);
      deepStrictEqual(await stage.ensure(entry, 1_000, { priority: MEDIUM, rows: 9 }), granted(2_999, { requested: true }));
    },
  },
  {
    name: 'a run is as long as the quota allows, once its first row fits',
    async run(stage) {
      const entry = await stage.addKnown();
      const quota = 1 + 2 * CHUNK;
      deepStrictEqual(await stage.ensure(entry, 1_000, { rows: 5, quota }), granted(2_999));
    },
  },
];

/** Leased bytes count as if they were there. */
export const quotas: readonly ContractCheck[] = [
  {
    name: 'a claim that fits exactly is granted; one byte more is full, and says how much is needed',
    async run(stage) {
      const entry = await stage.addKnown([[0, 99]]);
      deepStrictEqual(await stage.ensure(entry, 1_000, { quota: 100 + CHUNK - 1 }), { kind: 'full', needed: 1, bytes: CHUNK });
      deepStrictEqual(await stage.held(), []);
      deepStrictEqual((await stage.ensure(entry, 1_000, { quota: 100 + CHUNK })).kind, 'mine');
      deepStrictEqual(await stage.ensure(entry, 5_000, { quota: 100 + CHUNK }), { kind: 'full', needed: CHUNK, bytes: CHUNK });
      deepStrictEqual((await stage.ensure(entry, 5_000, { quota: null })).kind, 'mine');
    },
  },
  {
    name: 'a pending row counts from the moment it is leased',
    async run(stage) {
      const entry = await stage.addKnown([[0, 99]]);
      await stage.repository.prefetch({ entryId: entry.id, ranges: [{ start: 1_000, end: 1_999 }], chunkSize: CHUNK }, stage.now);
      deepStrictEqual((await stage.repository.statistics()).leasedBytes, 0);
      deepStrictEqual(await stage.ensure(entry, 1_500, { quota: 599 }), { kind: 'full', needed: 1, bytes: 500 });
      deepStrictEqual((await stage.ensure(entry, 1_500, { quota: 600 })).kind, 'mine');
      deepStrictEqual((await stage.repository.statistics()).leasedBytes, 500);
    },
  },
  {
    name: 'taking over a leased row needs no more room',
    async run(stage) {
      const entry = await stage.addKnown([[0, 99]]);
      await stage.claim(entry, 1_000, HIGH, stage.other);
      stage.now += LEASE_MS + 1;
      deepStrictEqual((await stage.ensure(entry, 1_200, { quota: 100 })).kind, 'mine');
      deepStrictEqual((await stage.repository.statistics()).leasedBytes, CHUNK);
    },
  },
  {
    name: 'removed files count until they are forgotten',
    async run(stage) {
      const gone = await stage.addKnown([[0, 499]]);
      const entry = await stage.addKnown([[0, 99]]);
      await stage.repository.deleteEntry(gone.id, stage.now);
      const quota = 100 + CHUNK;
      deepStrictEqual(await stage.ensure(entry, 1_000, { quota }), { kind: 'full', needed: 500, bytes: CHUNK });
      for (const file of await stage.repository.trash()) await stage.repository.forgetTrash(file.id);
      deepStrictEqual((await stage.ensure(entry, 1_000, { quota })).kind, 'mine');
    },
  },
  {
    name: 'a late commit without its lease is recorded only where the quota has room',
    async run(stage) {
      const entry = await stage.addKnown([[0, 99]]);
      await stage.claim(entry, 1_000, HIGH);
      stage.now += LEASE_MS + 1;
      await stage.other.sweep(false, stage.now);
      const quota = 100 + CHUNK;
      deepStrictEqual((await stage.ensure(entry, 5_000, { quota }, stage.other)).kind, 'mine');
      deepStrictEqual(await stage.commit(entry, 1_000, 1_099, { quota }), { kind: 'gone' });
      deepStrictEqual(await stage.spans(entry), [[0, 99]]);
      deepStrictEqual((await stage.commit(entry, 1_000, 1_099, { quota: quota + 100 })).kind, 'committed');
      deepStrictEqual((await stage.commit(entry, 5_000, 5_999, { quota: 0 }, stage.other)).kind, 'committed');
    },
  },
  {
    name: 'a commit that a lease covers in part needs room for the rest of it',
    async run(stage) {
      const entry = await stage.addKnown([[0, 99]]);
      await stage.claim(entry, 1_000);
      const quota = 100 + CHUNK + 50;
      deepStrictEqual(await stage.commit(entry, 950, 1_049, { quota: quota - 1 }), { kind: 'gone' });
      deepStrictEqual((await stage.commit(entry, 950, 1_049, { quota })).kind, 'committed');
      deepStrictEqual((await stage.commit(entry, 900, 1_049, { quota: quota + 49 })).kind, 'gone');
      deepStrictEqual((await stage.commit(entry, 950, 1_099, { quota })).kind, 'committed');
    },
  },
];
