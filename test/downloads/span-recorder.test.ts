import { expect, test } from 'vitest';
import type { ChunkFile } from '#seekwell/chunk-store/chunk-store';
import { type RecordFailure, SpanRecorder } from '#seekwell/downloads/span-recorder';
import { SeekwellError } from '#seekwell/errors';
import type { CacheRepository, CommitRequest, EntryRow } from '#seekwell/repository/cache-repository';
import { ManualClock } from '../support/manual-clock.ts';

const KIB = 1024;
const MUCH = 256 * KIB;

/** Lets what was started run as far as it can without time passing. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** What recorders of one process commit, and when. */
class Commits {
  readonly clock = new ManualClock();
  readonly seen: { readonly at: number; readonly start: number; readonly end: number }[] = [];
  /** Milliseconds that a sync takes. */
  syncMs = 0;

  recorder(from: number): SpanRecorder {
    const { clock, seen } = this;
    const commit = async ({ range }: CommitRequest): Promise<{ kind: 'committed'; complete: boolean }> => {
      seen.push({ at: clock.monotonic(), ...range });
      return { kind: 'committed', complete: false };
    };
    const file = { sync: () => (this.syncMs === 0 ? Promise.resolve() : new Promise<void>((done) => void clock.after(this.syncMs, done))) };
    const heard = { description: { validator: { etag: '"v"', lastModified: null }, total: null, mimeType: null }, headers: {} };
    return new SpanRecorder({ id: 1, epoch: 0 } as EntryRow, file as ChunkFile, heard, from, {
      repository: { commit } as unknown as CacheRepository,
      clock,
      checker: { begun: () => {}, ended: () => {}, committed: () => {} },
      quota: null,
      recorded: () => {},
      failed: () => {},
    });
  }

  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed++) {
      this.clock.advance(1);
      await settled();
    }
  }

  /** The moments at which anything was recorded since this was asked last. */
  moments(): number[] {
    return this.seen.splice(0).map(({ at }) => at);
  }
}

test('the first bytes are recorded at once; then fetches that began apart record together, ten times a second where much comes', async () => {
  const commits = new Commits();
  const [one, other] = [commits.recorder(0), commits.recorder(100 * MUCH)];
  await commits.pass(13);
  one.written(KIB);
  await commits.pass(20);
  other.written(100 * MUCH + KIB);
  await commits.pass(5);
  expect(commits.moments()).toEqual([14, 34]);
  for (let round = 1; round <= 20; round++) {
    one.written(round * 64 * KIB);
    other.written(100 * MUCH + round * 64 * KIB);
    await commits.pass(20);
  }
  // 64 KiB come in 20 ms: each 100 ms there is much.
  expect(commits.moments()).toEqual([200, 200, 300, 300, 400, 400]);
});

test('a little is recorded five times a second, and nothing when nothing came', async () => {
  const commits = new Commits();
  const recorder = commits.recorder(0);
  for (let round = 1; round <= 100; round++) {
    recorder.written(round * KIB);
    await commits.pass(10);
  }
  expect(commits.moments()).toEqual([1, 200, 400, 600, 800, 1_000]);
  await commits.pass(2_000);
  expect(commits.moments()).toEqual([]);
});

test('what comes while the disk takes its time is recorded soon after it is done', async () => {
  const commits = new Commits();
  commits.syncMs = 330;
  const recorder = commits.recorder(0);
  for (let round = 1; round <= 100; round++) {
    recorder.written(round * MUCH);
    await commits.pass(10);
  }
  expect(commits.moments()).toEqual([330, 730]);
  expect(recorder.failure).toBeNull();
});

/** Why a recorder gives up whose file cannot be synced. */
async function afterFailedSync(entryWithState: () => Promise<unknown>): Promise<RecordFailure | null> {
  const file = { sync: () => Promise.reject(new SeekwellError('STORAGE_FAILED', 'no sync')) };
  const heard = { description: { validator: { etag: null, lastModified: null }, total: null, mimeType: null }, headers: {} };
  const recorder = new SpanRecorder({ id: 1, epoch: 4 } as EntryRow, file as unknown as ChunkFile, heard, 0, {
    repository: { entryWithState } as unknown as CacheRepository,
    clock: new ManualClock(),
    checker: { begun: () => {}, ended: () => {}, committed: () => {} },
    quota: null,
    recorded: () => {},
    failed: () => {},
  });
  recorder.written(KIB);
  await recorder.close();
  return recorder.failure;
}

test('of a file that cannot be synced the nearest reason is told: its epoch is over, the whole folder is gone, or the disk', async () => {
  const broken = (code: string) => ({ kind: 'broken', error: { code } });
  expect(await afterFailedSync(async () => null)).toEqual({ kind: 'gone' });
  expect(await afterFailedSync(async () => ({ entry: { epoch: 5 } }))).toEqual({ kind: 'gone' });
  expect(await afterFailedSync(async () => ({ entry: { epoch: 4 } }))).toMatchObject(broken('STORAGE_FAILED'));
  const throwing = (code: 'DATABASE_GONE' | 'DATABASE_BUSY') => () => Promise.reject(new SeekwellError(code, 'x'));
  expect(await afterFailedSync(throwing('DATABASE_GONE'))).toMatchObject(broken('DATABASE_GONE'));
  expect(await afterFailedSync(throwing('DATABASE_BUSY'))).toMatchObject(broken('STORAGE_FAILED'));
});
