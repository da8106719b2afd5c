import { deepStrictEqual } from 'node:assert/strict';
import { PRIORITY } from '../../core/priority.ts';
import { LEASE_MS, LEASE_REACH_MS, TAKE_OVER_BYTES } from '../../repository/cache-repository.ts';
import { CHUNK, type ContractCheck, granted, type Stage, TOTAL, version } from './stage.ts';

const { CRITICAL, HIGH, MEDIUM, LOW } = PRIORITY;

async function isTheirs(stage: Stage, ...[entry, offset, given, by]: Parameters<Stage['ensure']>): Promise<void> {
  const outcome = await stage.ensure(entry, offset, given, by);
  deepStrictEqual(outcome.kind, 'theirs', `got ${JSON.stringify(outcome)}`);
}

/** What ensuring one byte answers. */
export const answersOfEnsure: readonly ContractCheck[] = [
  {
    name: 'an entry that does not exist is gone',
    async run(stage) {
      const entry = await stage.addKnown();
      deepStrictEqual(await stage.ensure({ ...entry, id: entry.id + 1 }, 5), { kind: 'gone' });
    },
  },
  {
    name: 'another epoch is gone',
    async run(stage) {
      const entry = await stage.addKnown();
      deepStrictEqual(await stage.ensure({ ...entry, epoch: entry.epoch + 1 }, 5), { kind: 'gone' });
      deepStrictEqual(await stage.held(), []);
    },
  },
  {
    name: 'a byte beyond a known total is gone, one at its end is not',
    async run(stage) {
      const entry = await stage.addKnown();
      deepStrictEqual(await stage.ensure(entry, TOTAL), { kind: 'gone' });
      deepStrictEqual(await stage.ensure(entry, TOTAL - 1), granted(TOTAL - 1));
    },
  },
  {
    name: 'any byte of an empty resource is gone',
    async run(stage) {
      const entry = await stage.add();
      const { id: entryId, epoch } = entry;
      await stage.repository.finish({ entryId, epoch, total: 0, description: version(null, null), headers: {} }, stage.now);
      deepStrictEqual(await stage.ensure(entry, 0), { kind: 'gone' });
    },
  },
  {
    name: 'a byte that a span covers is present, at both of its ends and within',
    async run(stage) {
      const entry = await stage.addKnown([[100, 199]]);
      for (const offset of [100, 150, 199]) {
        deepStrictEqual(await stage.ensure(entry, offset), { kind: 'present', span: { start: 100, end: 199 } });
      }
      deepStrictEqual((await stage.ensure(entry, 99)).kind, 'mine');
      deepStrictEqual((await stage.ensure(entry, 200)).kind, 'mine');
    },
  },
  {
    name: 'says whether the file holds bytes already',
    async run(stage) {
      const entry = await stage.add();
      deepStrictEqual(await stage.ensure(entry, 0), granted(CHUNK - 1, { hasSpans: false }));
      await stage.commit(entry, 0, 9);
      deepStrictEqual(await stage.ensure(entry, 5_000), granted(5_000 + CHUNK - 1));
    },
  },
  {
    name: 'a row of another process is theirs until its lease ends',
    async run(stage) {
      const entry = await stage.addKnown();
      await stage.claim(entry, 1_000, CRITICAL, stage.other);
      const leaseUntil = stage.now + LEASE_MS;
      const row = { start: 1_000, end: 1_999 };
      for (const offset of [1_000, 1_500, 1_999]) {
        deepStrictEqual(await stage.ensure(entry, offset), { kind: 'theirs', row, leaseUntil, own: false });
      }
      deepStrictEqual(await stage.ensure(entry, 1_500, {}, stage.other), { kind: 'theirs', row, leaseUntil, own: true });
    },
  },
  {
    name: 'background work takes rows that exist, and none that do not',
    async run(stage) {
      const entry = await stage.addKnown();
      deepStrictEqual(await stage.ensure(entry, 1_000, { priority: LOW }), { kind: 'unwanted' });
      deepStrictEqual(await stage.ensure(entry, 1_000, { priority: MEDIUM }), { kind: 'unwanted' });
      await stage.repository.fill({ entryId: entry.id, epoch: entry.epoch, chunkSize: CHUNK }, stage.now);
      deepStrictEqual(await stage.ensure(entry, 1, { priority: LOW }), granted(CHUNK));
    },
  },
];

/** How large a row is that did not exist. */
export const sizesOfNewRows: readonly ContractCheck[] = [
  {
    name: 'is one chunk where nothing is in its way',
    async run(stage) {
      deepStrictEqual(await stage.claim(await stage.addKnown(), 1_234), 1_234 + CHUNK - 1);
    },
  },
  {
    name: 'ends before the next span',
    async run(stage) {
      deepStrictEqual(await stage.claim(await stage.addKnown([[1_500, 1_600]]), 1_000), 1_499);
    },
  },
  {
    name: 'ends before the next row',
    async run(stage) {
      const entry = await stage.addKnown();
      await stage.claim(entry, 1_500, HIGH, stage.other);
      deepStrictEqual(await stage.claim(entry, 1_000), 1_499);
    },
  },
  {
    name: 'ends at the limit, but holds the byte that was wanted',
    async run(stage) {
      const entry = await stage.addKnown();
      deepStrictEqual(await stage.ensure(entry, 1_000, { limit: 1_099 }), granted(1_099));
      deepStrictEqual(await stage.ensure(entry, 3_000, { limit: 2_000 }), granted(3_000));
    },
  },
  {
    name: 'ends with the resource',
    async run(stage) {
      deepStrictEqual(await stage.claim(await stage.addKnown(), TOTAL - 10), TOTAL - 1);
    },
  },
  {
    name: 'does not end where the resource may, while no total is known',
    async run(stage) {
      const entry = await stage.add();
      deepStrictEqual(await stage.claim(entry, TOTAL - 10), TOTAL - 10 + CHUNK - 1);
      await stage.commit(entry, TOTAL - 10, TOTAL - 5, { description: version('"v1"', null) });
      deepStrictEqual(await stage.claim(entry, 5 * TOTAL), 5 * TOTAL + CHUNK - 1);
    },
  },
];

/** What becomes of a row that exists and covers the byte. */
export const claimsOfRows: readonly ContractCheck[] = [
  {
    name: 'a pending row that starts at the byte becomes mine as it is, whatever the limit',
    async run(stage) {
      const entry = await stage.addKnown();
      await stage.repository.prefetch({ entryId: entry.id, ranges: [{ start: 1_000, end: 1_999 }], chunkSize: CHUNK }, stage.now);
      deepStrictEqual(await stage.ensure(entry, 1_000, { limit: 1_100 }), granted(1_999, { requested: true }));
      deepStrictEqual(await stage.repository.renew(stage.now), [
        { entryId: entry.id, epoch: entry.epoch, start: 1_000, end: 1_999, priority: CRITICAL },
      ]);
    },
  },
  {
    name: 'a row that starts before the byte is split: the left part stays what it was',
    async run(stage) {
      const entry = await stage.addKnown();
      await stage.repository.prefetch({ entryId: entry.id, ranges: [{ start: 1_000, end: 1_999 }], chunkSize: CHUNK }, stage.now);
      deepStrictEqual(await stage.claim(entry, 1_700), 1_999);
      deepStrictEqual(await stage.held(), [[1_700, 1_999]]);
      const [left] = await stage.repository.pendingWork(10, stage.now);
      deepStrictEqual([left?.start, left?.end, left?.priority], [1_000, 1_699, MEDIUM]);
    },
  },
  {
    name: 'of a reader’s run it waits for the first row: the others are given back with what is not a reader’s',
    async run(stage) {
      const entry = await stage.addKnown();
      deepStrictEqual(await stage.ensure(entry, 1_000, { rows: 4 }), granted(4_999));
      deepStrictEqual((await stage.repository.renew(stage.now)).map(({ start, priority }) => [start, priority]).sort(), [
        [1_000, CRITICAL],
        [2_000, HIGH],
        [3_000, HIGH],
        [4_000, HIGH],
      ]);
      const range = { start: 1_000, end: 4_999 };
      await stage.repository.release({ entryId: entry.id, epoch: entry.epoch, range, fill: false, spareReaders: true }, stage.now);
      deepStrictEqual(await stage.held(), [[1_000, 1_999]]);
    },
  },
  {
    name: 'both parts of a split row were asked for by the user',
    async run(stage) {
      const entry = await stage.addKnown([[0, 0]], { fillAllowed: false });
      await stage.repository.prefetch({ entryId: entry.id, ranges: [{ start: 1_000, end: 1_999 }], chunkSize: CHUNK }, stage.now);
      deepStrictEqual(await stage.ensure(entry, 1_700), granted(1_999, { requested: true }));
      await stage.repository.release(
        { entryId: entry.id, epoch: entry.epoch, range: { start: 1_700, end: 1_999 }, fill: false },
        stage.now,
      );
      deepStrictEqual(await stage.claimAllPending(entry), [
        [1_000, 1_699],
        [1_700, 1_999],
      ]);
    },
  },
  {
    name: 'a waiting reader takes over what is fetched for MEDIUM and LOW, at the exact byte',
    async run(stage) {
      for (const priority of [MEDIUM, LOW]) {
        const entry = await stage.addKnown();
        await stage.repository.fill({ entryId: entry.id, epoch: entry.epoch, chunkSize: CHUNK }, stage.now);
        await stage.claim(entry, 1, priority, stage.other);
        await isTheirs(stage, entry, 5, { priority: HIGH });
        await isTheirs(stage, entry, 5, { priority: LOW });
        deepStrictEqual(await stage.claim(entry, 5), CHUNK);
        deepStrictEqual((await stage.held(stage.other)).at(-1), [1, 4]);
        await stage.repository.deleteEntry(entry.id, stage.now);
      }
    },
  },
  {
    name: 'taken over from its first byte on, a row is gone for the one who held it',
    async run(stage) {
      const entry = await stage.addKnown();
      await stage.repository.fill({ entryId: entry.id, epoch: entry.epoch, chunkSize: CHUNK }, stage.now);
      await stage.claim(entry, 1, LOW, stage.other);
      deepStrictEqual(await stage.claim(entry, 1), CHUNK);
      deepStrictEqual(await stage.held(stage.other), []);
      deepStrictEqual(await stage.held(), [[1, CHUNK]]);
    },
  },
  {
    name: 'a waiting reader leaves a reader its fetch, unless that is more than 256 KiB short of it',
    async run(stage) {
      const entry = await stage.add();
      const chunkSize = 4 * TAKE_OVER_BYTES;
      for (const priority of [CRITICAL, HIGH]) {
        const start = priority * chunkSize;
        deepStrictEqual((await stage.ensure(entry, start, { priority, chunkSize }, stage.other)).kind, 'mine');
        await isTheirs(stage, entry, start + TAKE_OVER_BYTES);
        await isTheirs(stage, entry, start + TAKE_OVER_BYTES + 1, { priority: HIGH });
        const end = start + chunkSize - 1;
        deepStrictEqual(await stage.ensure(entry, start + TAKE_OVER_BYTES + 1), granted(end, { hasSpans: false }));
        deepStrictEqual((await stage.held(stage.other)).at(-1), [start, start + TAKE_OVER_BYTES]);
      }
    },
  },
  {
    name: 'what a fetch has recorded counts for how short of the byte it is',
    async run(stage) {
      const entry = await stage.add();
      const chunkSize = 4 * TAKE_OVER_BYTES;
      const description = version('"v1"', chunkSize);
      await stage.ensure(entry, 0, { chunkSize }, stage.other);
      await stage.commit(entry, 0, TAKE_OVER_BYTES - 1, { description }, stage.other);
      await isTheirs(stage, entry, 2 * TAKE_OVER_BYTES);
      deepStrictEqual(await stage.claim(entry, 2 * TAKE_OVER_BYTES + 1), chunkSize - 1);
    },
  },
];

/** When a lease holds others off. */
export const leases: readonly ContractCheck[] = [
  {
    name: 'a lease is live to its last millisecond, and dead after',
    async run(stage) {
      const entry = await stage.addKnown();
      await stage.claim(entry, 1_000, HIGH, stage.other);
      stage.now += LEASE_MS;
      await isTheirs(stage, entry, 1_000, { priority: HIGH });
      stage.now += 1;
      deepStrictEqual(await stage.claim(entry, 1_000, HIGH), 1_999);
      deepStrictEqual(await stage.held(stage.other), []);
    },
  },
  {
    name: 'a lease that was extended after the moment of a claim or a sweep, and before its turn at the database, is live',
    async run(stage) {
      const entry = await stage.addKnown();
      await stage.claim(entry, 1_000, HIGH, stage.other);
      const asked = stage.now;
      stage.now += LEASE_MS;
      deepStrictEqual(await stage.held(stage.other), [[1_000, 1_999]]);
      deepStrictEqual(await stage.repository.sweep(true, asked), 0);
      stage.now = asked;
      await isTheirs(stage, entry, 1_000, { priority: HIGH });
    },
  },
  {
    name: 'tells what is leased for readers, by whomever, as long as the lease is live',
    async run(stage) {
      const entry = await stage.addKnown();
      const { id: entryId, originalUrl: url } = entry;
      await stage.repository.fill({ entryId, epoch: entry.epoch, chunkSize: CHUNK }, stage.now);
      await stage.claim(entry, 1_500, CRITICAL, stage.other);
      await stage.claim(entry, 3_000, HIGH);
      await stage.claim(entry, 5_001, LOW);
      const leases = [...(await stage.repository.readerLeases(stage.now))].sort((a, b) => a.start - b.start);
      deepStrictEqual(leases, [
        { entryId, url, start: 1_500 },
        { entryId, url, start: 3_000 },
      ]);
      stage.now += LEASE_MS + 1;
      deepStrictEqual(await stage.repository.readerLeases(stage.now), []);
    },
  },
  {
    name: 'what took over as a reader does, and is held as background work, gives way to a reader and is no reader',
    async run(stage) {
      const entry = await stage.addKnown();
      await stage.claim(entry, 1_000, HIGH);
      deepStrictEqual(await stage.ensure(entry, 3_000, { heldAs: LOW }, stage.other), granted(3_999));
      deepStrictEqual(
        (await stage.repository.readerLeases(stage.now)).map(({ start }) => start),
        [1_000],
      );
      await isTheirs(stage, entry, 3_000, { priority: HIGH });
      deepStrictEqual(await stage.claim(entry, 3_000), 3_999);
    },
  },
  {
    name: 'a lease that ends further ahead than any may is dead: a clock jumped',
    async run(stage) {
      const entry = await stage.addKnown();
      await stage.claim(entry, 1_000, HIGH, stage.other);
      stage.now -= LEASE_REACH_MS - LEASE_MS;
      await isTheirs(stage, entry, 1_500, { priority: HIGH });
      stage.now -= 1;
      deepStrictEqual(await stage.claim(entry, 1_500, HIGH), 1_999);
      deepStrictEqual(await stage.held(stage.other), [[1_000, 1_499]]);
    },
  },
  {
    name: 'renewing extends leases, and tells what is still held',
    async run(stage) {
      const entry = await stage.addKnown();
      await stage.claim(entry, 1_000, HIGH, stage.other);
      stage.now += LEASE_MS;
      deepStrictEqual(await stage.other.renew(stage.now), [
        { entryId: entry.id, epoch: entry.epoch, start: 1_000, end: 1_999, priority: HIGH },
      ]);
      stage.now += LEASE_MS;
      await isTheirs(stage, entry, 1_000);
      deepStrictEqual(await stage.held(), []);
    },
  },
  {
    name: 'renewing shows a row that others cut shorter',
    async run(stage) {
      const entry = await stage.addKnown();
      await stage.claim(entry, 1_000);
      await stage.commit(entry, 1_000, 1_099, {}, stage.other);
      await stage.commit(entry, 1_500, 1_599, {}, stage.other);
      deepStrictEqual(await stage.held(), [
        [1_100, 1_499],
        [1_600, 1_999],
      ]);
    },
  },
  {
    name: 'a row whose lease is dead is taken without being asked for again',
    async run(stage) {
      const entry = await stage.addKnown();
      await stage.claim(entry, 1_000, CRITICAL, stage.other);
      stage.now += LEASE_MS + 1;
      deepStrictEqual(await stage.ensure(entry, 1_000, { priority: LOW }), granted(1_999));
    },
  },
];
