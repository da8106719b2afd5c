import type { ChunkFile } from '#seekwell/chunk-store/chunk-store';
import { BLOCK_BYTES } from '#seekwell/core/blocks';
import { rangeOf } from '#seekwell/downloads/reader-demand';
import type { OriginBody, OriginClient } from '#seekwell/origin/origin-client';
import type { CacheRepository, CommitRequest, EnsureRequest } from '#seekwell/repository/cache-repository';
import type { Committer } from '#seekwell/repository/sqlite/sqlite-repository';
import type { Value } from '../../scripts/plain-database.mjs';
import { SeedRunner } from './seed-runner.ts';
import { SeededRandom } from './seeded-random.ts';
import type { WrapCommitter, WrongSql } from './simulated-database.ts';
import type { SimulatedDisk } from './simulated-disk.ts';
import type { Wraps } from './simulated-process.ts';
import type { SimulationFailure } from './simulation-failure.ts';
import { type Fault, planOf, type SimulationPlan } from './simulation-plan.ts';

/** One thing that is wrong, outside of the product's code: nothing in the product knows of it. */
export interface PlantedBug {
  readonly name: string;
  readonly sql?: WrongSql;
  readonly wraps?: Wraps;
  /** It cannot show without these. */
  readonly needs?: readonly Fault[];
  /** Whether it can show in a world of this plan; left out: in any. */
  readonly showsIn?: (plan: SimulationPlan) => boolean;
  /** It shows in one of a hundred simulations or so. */
  readonly rare?: boolean;
}

/** Does something else for one change. `real` carries out a change as it should be. */
function instead(
  name: string,
  other: (request: never, now: number, real: Committer['call'], ask: (sql: string, ...params: Value[]) => unknown) => unknown,
): WrapCommitter {
  return (committer, database) => ({
    close: () => committer.close(),
    call: ((called, ...args) => {
      if (called !== name) return committer.call(called, ...args);
      return other(args[0] as never, args[1] as number, committer.call.bind(committer), (sql, ...params) => database.ask(sql, ...params));
    }) as Committer['call'],
  });
}

function wrongly(sql: string, part: string, other: string): WrongSql {
  return { rewrite: (text) => (text.includes(sql) ? text.replace(part, other) : text) };
}

function changedFile(change: (file: ChunkFile) => Partial<ChunkFile>): Wraps {
  return {
    file: (file) => ({
      path: file.path,
      read: (into, position) => file.read(into, position),
      readNow: (into, position) => file.readNow(into, position),
      sendNow: (position, length, send) => file.sendNow(position, length, send),
      write: (chunks, position) => file.write(chunks, position),
      sync: () => file.sync(),
      checksum: (range, urgency) => file.checksum(range, urgency),
      close: () => file.close(),
      ...change(file),
    }),
  };
}

function changedOrigin(open: (origin: OriginClient) => OriginClient['open']): Wraps {
  return { origin: (origin) => ({ open: open(origin), close: () => origin.close() }) };
}

/** `repository`, except for what `change` makes of its methods. */
function changedRepository(repository: CacheRepository, change: Partial<CacheRepository>): CacheRepository {
  return new Proxy(repository, {
    get(target, name) {
      const value = Reflect.get(name in change ? change : target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** The file goes first, its rows after it. */
function unlinksFirst(repository: CacheRepository, disk: SimulatedDisk): CacheRepository {
  const unlink = async (id: number): Promise<void> => disk.remove((await repository.getEntry(id))?.filePath ?? '');
  return changedRepository(repository, {
    removeBytes: async (request, now) => {
      await unlink(request.entryId);
      return repository.removeBytes(request, now);
    },
    deleteEntry: async (id, now) => {
      await unlink(id);
      return repository.deleteEntry(id, now);
    },
  });
}

function withoutChecksums(repository: CacheRepository): CacheRepository {
  return changedRepository(repository, {
    blocks: async (request) => (await repository.blocks(request))?.map((row) => ({ ...row, crc32: null })) ?? null,
  });
}

function hasQuota({ settings }: SimulationPlan): boolean {
  return settings.quota !== null;
}

/** A body that breaks off and says that this was all. */
function endingWell(body: OriginBody): OriginBody {
  return {
    start: (sink) => body.start({ data: (chunk) => sink.data(chunk), end: () => sink.end(null) }),
    pause: () => body.pause(),
    resume: () => body.resume(),
    abort: () => body.abort(),
  };
}

const NOW_EPOCH = 'SELECT epoch FROM cache_entries WHERE id = ?';
const HELD = `SELECT start_byte AS start, end_byte AS "end", lease_until AS until FROM cache_download_queue
WHERE cache_entry_id = ? AND start_byte <= ? AND end_byte >= ? AND leased_by IS NOT NULL AND lease_until > ?`;

export const PLANTED_BUGS: readonly PlantedBug[] = [
  { name: 'a span is recorded before its bytes are durable', wraps: changedFile(() => ({ sync: async () => {} })) },
  {
    name: 'a sync that failed passes for one that did not',
    wraps: changedFile((file) => ({ sync: () => file.sync().catch(() => {}) })),
    needs: ['disk'],
  },
  {
    name: 'a write that failed passes for one that did not',
    wraps: changedFile((file) => ({ write: (chunks, position) => file.write(chunks, position).catch(() => {}) })),
    needs: ['disk'],
  },
  { name: 'a file is unlinked before its rows are gone', wraps: { repository: unlinksFirst }, needs: ['removal'] },
  { name: 'a removal does not wait for the disk', rare: true, sql: { forgetsRemovals: true }, needs: ['power', 'removal'] },
  {
    name: 'a commit of a gone epoch is recorded',
    rare: true,
    wraps: {
      committer: instead('commit', (request: CommitRequest, now, real, ask) => {
        const { epoch } = (ask(NOW_EPOCH, request.entryId) ?? request) as { epoch: number };
        return real('commit', { ...request, epoch }, now);
      }),
    },
    needs: ['change', 'network'],
  },
  {
    name: 'a removal leaves the entry complete',
    sql: wrongly('SET epoch = epoch + 1', 'is_complete = 0, ', ''),
    needs: ['loss'],
  },
  {
    name: 'an epoch is bound to no version before it is written',
    rare: true,
    wraps: { committer: instead('describe', async () => ({ kind: 'described' })) },
    needs: ['change', 'network'],
    showsIn: ({ processes }) => processes > 1,
  },
  { name: 'a span that grows ends one byte late', sql: wrongly('UPDATE cache_chunks', '$end', '$end + 1') },
  {
    name: 'a commit covers one byte more than was written',
    wraps: {
      committer: instead('commit', (request: CommitRequest, now, real) =>
        real('commit', { ...request, range: { ...request.range, end: request.range.end + 1 } }, now),
      ),
    },
  },
  { name: 'rows are cut one byte late', sql: wrongly('SET end_byte = $end WHERE id = $row', '$end', '$end + 1') },
  {
    name: 'spans that touch are not joined',
    sql: wrongly('FROM cache_chunks WHERE cache_entry_id = $id AND start_byte BETWEEN', '$end', '$end - 1'),
  },
  { name: 'the kept sum misses spans that grow', sql: { schema: 'DROP TRIGGER cache_chunks_updated' } },
  { name: 'the quota does not count leases', sql: wrongly('AS leased', 'SUM(end_byte - start_byte + 1)', 'SUM(0)'), showsIn: hasQuota },
  {
    name: 'a commit without a lease is not held to the quota',
    rare: true,
    wraps: { committer: instead('commit', (request: CommitRequest, now, real) => real('commit', { ...request, quota: null }, now)) },
    needs: ['freeze'],
    showsIn: hasQuota,
  },
  {
    name: 'no answer is held against the version that is known',
    wraps: changedOrigin((origin) => async (request, signal) => {
      const answer = await origin.open({ ...request, expected: null }, signal);
      return answer.kind === 'bytes' && request.expected !== null ? { ...answer, description: request.expected } : answer;
    }),
    needs: ['change'],
  },
  {
    name: 'a body that breaks off passes for the whole',
    rare: true,
    wraps: changedOrigin((origin) => async (request, signal) => {
      const answer = await origin.open(request, signal);
      return answer.kind === 'bytes' ? { ...answer, body: endingWell(answer.body) } : answer;
    }),
    needs: ['network'],
  },
  {
    name: 'an answer is taken for the range that was asked',
    wraps: changedOrigin((origin) => async (request, signal) => {
      const answer = await origin.open(request, signal);
      return answer.kind === 'bytes' && answer.rangesRefused
        ? { ...answer, start: rangeOf(request.range).start, rangesRefused: false }
        : answer;
    }),
  },
  {
    name: 'a lease of a clock that jumped never ends',
    rare: true,
    sql: wrongly('AND NOT (q.lease_until', 'BETWEEN $live_from AND $live_to', '> $live_from AND $live_to > 0'),
    wraps: {
      committer: instead('ensure', async (request: EnsureRequest, now, real, ask) => {
        const held = ask(HELD, request.entryId, request.offset, request.offset, now) as
          | { start: number; end: number; until: number }
          | undefined;
        if (held === undefined || held.until <= now + 2_000) return real('ensure', request, now);
        return { kind: 'theirs', row: { start: held.start, end: held.end }, leaseUntil: held.until, own: false };
      }),
    },
    needs: ['clock', 'kill'],
    showsIn: ({ knowsTheDead }) => !knowsTheDead,
  },
  {
    name: 'a backoff never ends',
    rare: true,
    sql: wrongly('levels (priority)', 'OR e.retry_at NOT BETWEEN $now + 1 AND $latest', 'OR $now > $latest'),
    needs: ['network'],
  },
  {
    name: 'nobody looks when a lease ends',
    rare: true,
    sql: wrongly('MIN(lease_until)', 'MIN(lease_until)', 'NULL'),
    showsIn: ({ faults, knowsTheDead }) => !knowsTheDead && (faults.has('kill') || faults.has('power')),
  },
  { name: 'blocks are not held against their checksums', wraps: { repository: withoutChecksums }, needs: ['rot'] },
  {
    name: 'a checksum is of other bytes',
    wraps: changedFile((file) => ({
      checksum: ({ start, end }, urgency) => file.checksum({ start, end: Math.max(start, end - 1) }, urgency),
    })),
  },
  {
    name: 'a block has a checksum before it is whole',
    sql: wrongly('AS span_end', 'SELECT c.end_byte', `SELECT c.end_byte + ${BLOCK_BYTES}`),
  },
  { name: 'a cut keeps the spans', wraps: { committer: instead('cut', async () => true) }, needs: ['rot'] },
  {
    name: 'a cut keeps the checksum',
    sql: wrongly('DELETE FROM cache_block_checksums', 'BETWEEN $first AND $last', 'BETWEEN $last + 1 AND $first - 1'),
    needs: ['rot'],
  },
];

export interface Catch {
  readonly seed: number;
  /** How many simulations ran, this one included. */
  readonly simulations: number;
  readonly failure: SimulationFailure;
}

/** Runs seeds from 1 on in which `bug` could show, until one does; null: `most` did not. */
export async function catchBug(bug: PlantedBug, most: number): Promise<Catch | null> {
  const runner = await SeedRunner.open(bug.sql);
  try {
    for (let seed = 1, simulations = 0; simulations < most; seed++) {
      const plan = planOf(new SeededRandom(seed));
      if (!(bug.needs ?? []).every((fault) => plan.faults.has(fault)) || bug.showsIn?.(plan) === false) continue;
      simulations++;
      const { failure } = await runner.run(seed, bug.wraps);
      if (failure !== null) return { seed, simulations, failure };
    }
    return null;
  } finally {
    runner.close();
  }
}
