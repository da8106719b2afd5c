import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { PRIORITY } from '#seekwell/core/priority';
import type { CacheRepository } from '#seekwell/repository/cache-repository';
import { PlainDatabase } from '../../scripts/plain-database.mjs';
import { newDatabase, openInPlace } from './test-database.ts';

/** Small enough that random ranges overlap, touch and nest often. */
const WORLD = 48;

interface Range {
  readonly start: number;
  readonly end: number;
}

/** A commit, a claim, or a wish, of a range. */
interface Step extends Range {
  readonly op: 'commit' | 'claim' | 'prefetch';
  readonly process: number;
}

const step: fc.Arbitrary<Step> = fc
  .tuple(
    fc.constantFrom<Step['op']>('commit', 'commit', 'commit', 'claim', 'prefetch'),
    fc.nat(1),
    fc.nat(WORLD - 1),
    fc.oneof(fc.nat(WORLD - 1), fc.nat(4)),
  )
  .map(([op, process, start, length]) => ({ op, process, start, end: Math.min(WORLD - 1, start + length) }));

/** The runs of set bytes: what spans have to be. */
function runsOf(bitmap: readonly boolean[]): Range[] {
  const runs: Range[] = [];
  for (const [byte, set] of bitmap.entries()) {
    if (!set) continue;
    const last = runs.at(-1);
    if (last !== undefined && last.end === byte - 1) runs[runs.length - 1] = { start: last.start, end: byte };
    else runs.push({ start: byte, end: byte });
  }
  return runs;
}

async function take(processes: readonly CacheRepository[], entryId: number, { op, process, start, end }: Step, now: number): Promise<void> {
  const repository = processes[process] as CacheRepository;
  const description = { validator: { etag: '"v"', lastModified: null }, total: WORLD, mimeType: null };
  if (op === 'commit') await repository.commit({ entryId, epoch: 0, range: { start, end }, description, headers: {} }, now);
  if (op === 'prefetch') await repository.prefetch({ entryId, ranges: [{ start, end }], chunkSize: 5 }, now);
  const claim = {
    entryId,
    epoch: 0,
    offset: start,
    limit: null,
    priority: PRIORITY.CRITICAL,
    chunkSize: end - start + 1,
    rows: 2,
    quota: null,
  };
  if (op === 'claim') await repository.ensure(claim, now);
}

test('spans are the runs of a bitmap, whatever is committed in whatever order; rows lie apart from them and from each other', async () => {
  const path = await newDatabase();
  const database = new PlainDatabase(path);
  const processes = ['a', 'b'].map((owner) => openInPlace(path, owner));
  const repository = processes[0] as CacheRepository;
  const read = (table: string): Range[] =>
    database.prepare<Range>(`SELECT start_byte AS start, end_byte AS "end" FROM ${table} ORDER BY start_byte`).all();
  let number = 0;

  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (history) => {
      database.exec('PRAGMA foreign_keys = ON; DELETE FROM cache_entries');
      const key = { sourceId: 'url', mediaId: 'm', quality: 'original', originalUrl: '', requestHeaders: {}, filename: null };
      const { entry } = await repository.addEntry({ ...key, filePath: `files/${++number}`, fillAllowed: true, pinned: false }, 0);
      const bitmap = new Array<boolean>(WORLD).fill(false);
      for (const [now, next] of history.entries()) {
        await take(processes, entry.id, next, now);
        if (next.op === 'commit') bitmap.fill(true, next.start, next.end + 1);
        const spans = read('cache_chunks');
        expect(spans).toEqual(runsOf(bitmap));
        const rows = read('cache_download_queue');
        const wanted = new Array<number>(WORLD).fill(0);
        // Before the first commit no length is known: rows may reach beyond it.
        for (const { start, end } of rows) for (let byte = start; byte <= Math.min(end, WORLD - 1); byte++) wanted[byte]! += 1;
        expect(wanted.every((count, byte) => count === 0 || (count === 1 && !bitmap[byte]))).toBe(true);
        if (spans.length > 0) expect(rows.every(({ end }) => end < WORLD)).toBe(true);
        expect((await repository.statistics()).recordedBytes).toBe(bitmap.filter(Boolean).length);
        expect((await repository.state(entry))?.state === 'Complete').toBe(bitmap.every(Boolean));
      }
    }),
    { numRuns: 300 },
  );
  for (const process of processes) await process.close();
  database.close();
});
