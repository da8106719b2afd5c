import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { DOWNLOAD_STATES, type DownloadState } from '#seekwell/core/download-state';
import type { Priority } from '#seekwell/core/priority';
import type { Description } from '#seekwell/core/validator';
import type { CacheRepository, EntryRow } from '#seekwell/repository/cache-repository';
import { PlainDatabase, type Value } from '../../scripts/plain-database.mjs';
import { newDatabase, openInPlace } from './test-database.ts';

// Random histories, through the repository and through plain SQL. After every step the view must say what the table in the design says, computed here
// from plain arrays, in another language.

/** Small enough that random ranges meet, and large enough that not every resource is complete at once. */
const WORLD = 24;
const ENTRIES = 2;

interface PlainEntry {
  id: number;
  media_id: string;
  expected_total_size: number | null;
  is_complete: number;
  error_message: string | null;
}

interface PlainRange {
  cache_entry_id: number;
  start_byte: number;
  end_byte: number;
}

interface ViewRow {
  cache_entry_id: number;
  source_id: string;
  media_id: string;
  quality: string;
  state: DownloadState;
  downloaded_bytes: number;
  expected_total_size: number | null;
  span_count: number;
  pending_chunks: number;
  error_message: string | null;
}

/** The table "State" of the design: the first line that holds. */
function modelState(entry: PlainEntry, downloaded: number, spans: number, rows: number): DownloadState {
  const total = entry.expected_total_size;
  if (entry.is_complete === 1 || (total !== null && total > 0 && downloaded === total)) return 'Complete';
  if (entry.error_message !== null) return 'Failed';
  if (total === 0 && spans === 0) return 'Initializing';
  if (spans === 0) return 'NotStarted';
  return rows > 0 ? 'Downloading' : 'Paused';
}

function modelRow(entry: PlainEntry, chunks: readonly PlainRange[], queue: readonly PlainRange[]): ViewRow {
  const spans = chunks.filter((span) => span.cache_entry_id === entry.id);
  const rows = queue.filter((row) => row.cache_entry_id === entry.id);
  const downloaded = spans.reduce((sum, span) => sum + span.end_byte - span.start_byte + 1, 0);
  return {
    cache_entry_id: entry.id,
    source_id: 'url',
    media_id: entry.media_id,
    quality: 'original',
    state: modelState(entry, downloaded, spans.length, rows.length),
    downloaded_bytes: downloaded,
    expected_total_size: entry.expected_total_size,
    span_count: spans.length,
    pending_chunks: rows.length,
    error_message: entry.error_message,
  };
}

class World {
  readonly database: PlainDatabase;
  readonly processes: readonly CacheRepository[];
  now = 1_000_000;
  #files = 0;

  constructor(path: string) {
    this.database = new PlainDatabase(path);
    this.processes = ['a', 'b'].map((owner) => openInPlace(path, owner));
  }

  async close(): Promise<void> {
    for (const repository of this.processes) await repository.close();
    this.database.close();
  }

  async clear(): Promise<void> {
    this.database.exec('PRAGMA foreign_keys = ON; DELETE FROM cache_entries; DELETE FROM cache_trash');
    for (let index = 0; index < ENTRIES; index++) await this.entry(index);
  }

  newFile(): string {
    return `files/${++this.#files}`;
  }

  async entry(index: number): Promise<EntryRow> {
    const key = { sourceId: 'url', mediaId: `m${index}`, quality: 'original' };
    const entry = {
      ...key,
      originalUrl: '',
      requestHeaders: {},
      filename: null,
      filePath: this.newFile(),
      fillAllowed: true,
      pinned: false,
    };
    return (await (this.processes[0] as CacheRepository).addEntry(entry, this.now)).entry;
  }

  all<Row>(sql: string, ...params: Value[]): Row[] {
    return this.database.prepare<Row>(sql).all(...params);
  }

  run(sql: string, ...params: Value[]): void {
    this.database.prepare(sql).run(...params);
  }

  async expectModel(): Promise<void> {
    const entries = this.all<PlainEntry>(
      'SELECT id, media_id, expected_total_size, is_complete, error_message FROM cache_entries ORDER BY id',
    );
    const chunks = this.all<PlainRange>('SELECT * FROM cache_chunks');
    const queue = this.all<PlainRange>('SELECT * FROM cache_download_queue');
    const expected = entries.map((entry) => modelRow(entry, chunks, queue));
    expect(this.all('SELECT * FROM cache_entry_states ORDER BY cache_entry_id')).toEqual(expected);
    const [repository] = this.processes as [CacheRepository];
    for (const row of expected) {
      const heard = row.expected_total_size !== 0 || row.state === 'Complete';
      expect(await repository.state({ sourceId: 'url', mediaId: row.media_id, quality: 'original' })).toMatchObject({
        id: row.cache_entry_id,
        state: row.state,
        downloadedBytes: row.downloaded_bytes,
        expectedTotalSize: heard ? row.expected_total_size : null,
        spanCount: row.span_count,
        pendingChunks: row.pending_chunks,
        errorMessage: row.error_message,
      });
    }
    for (const state of DOWNLOAD_STATES) {
      const page = await repository.entriesWithState({ state, limit: 10 }, this.now);
      expect(page.entries.map(({ entry }) => entry.id)).toEqual(
        expected.filter((row) => row.state === state).map((row) => row.cache_entry_id),
      );
    }
  }
}

/** A step on one entry: what it does, as data, so that a failing history can be read. */
interface Step {
  readonly op: keyof typeof steps;
  readonly entry: number;
  readonly process: number;
  readonly a: number;
  readonly b: number;
  readonly n: number;
}

type Act = (world: World, step: Step, entry: EntryRow, repository: CacheRepository) => unknown;

function rangeOf({ a, b }: Step): { start: number; end: number } {
  return { start: Math.min(a, b), end: Math.max(a, b) };
}

function description(total: number | null): Description {
  return { validator: { etag: '"v"', lastModified: null }, total, mimeType: null };
}

const steps = {
  ensure: (world, { a, n }, { id: entryId, epoch }, repository) =>
    repository.ensure(
      { entryId, epoch, offset: a, limit: null, priority: (n % 4) as Priority, chunkSize: 5, rows: 2, quota: null },
      world.now,
    ),
  commit: (world, step, { id: entryId, epoch }, repository) =>
    repository.commit(
      { entryId, epoch, range: rangeOf(step), description: description(step.n % 3 === 0 ? null : WORLD), headers: {} },
      world.now,
    ),
  finish: (world, { n, b }, { id: entryId, epoch }, repository) =>
    repository.finish(
      { entryId, epoch, total: n % 4 === 0 ? 0 : n % 4 === 1 ? b + 1 : WORLD, description: description(null), headers: {} },
      world.now,
    ),
  release: (world, step, { id: entryId, epoch }, repository) =>
    repository.release({ entryId, epoch, range: rangeOf(step), fill: step.n % 2 === 0 }, world.now),
  sweep: (world, { n }, _entry, repository) => repository.sweep(n % 2 === 0, world.now),
  fill: (world, _step, { id: entryId, epoch }, repository) => repository.fill({ entryId, epoch, chunkSize: 5 }, world.now),
  prefetch: (world, step, { id: entryId }, repository) =>
    repository.prefetch({ entryId, ranges: [rangeOf(step)], chunkSize: 5 }, world.now),
  pause: (world, _step, { id }, repository) => repository.pause(id, world.now),
  retry: (world, _step, { id }, repository) => repository.retry(id, world.now),
  fail: (world, _step, { id: entryId, epoch }, repository) =>
    repository.fail({ entryId, epoch, message: 'failed', status: 404 }, world.now),
  remove: (world, _step, { id: entryId, epoch }, repository) =>
    repository.removeBytes({ entryId, epoch, newFilePath: world.newFile() }, world.now),
  delete: (world, _step, { id }, repository) => repository.deleteEntry(id, world.now),
  wait: (world, { n }) => {
    world.now += (n - 20) * 100;
  },
  rawTotal: (world, { n }, { id }) =>
    world.run('UPDATE cache_entries SET expected_total_size = ? WHERE id = ?', [0, null, WORLD][n % 3] ?? null, id),
  rawComplete: (world, { n }, { id }) => world.run('UPDATE cache_entries SET is_complete = ? WHERE id = ?', n % 2, id),
  rawError: (world, { n }, { id }) => world.run('UPDATE cache_entries SET error_message = ? WHERE id = ?', n % 2 === 0 ? null : 'raw', id),
  // Spans that touch: no commit leaves such, but they say the same.
  rawSpan: (world, step, { id, expectedTotalSize }) => {
    const { start, end } = rangeOf(step);
    // Spans lie within the total and apart: the view relies on that.
    if (expectedTotalSize !== null && expectedTotalSize > 0 && end >= expectedTotalSize) return;
    const overlapping = world.all(
      'SELECT 1 FROM cache_chunks WHERE cache_entry_id = ? AND start_byte <= ? AND end_byte >= ?',
      id,
      end,
      start,
    );
    if (overlapping.length === 0) world.run('INSERT INTO cache_chunks VALUES (?, ?, ?)', id, start, end);
  },
  rawSplit: (world, { a }, { id }) => {
    const [span] = world.all<PlainRange>(
      'SELECT * FROM cache_chunks WHERE cache_entry_id = ? AND start_byte < ? AND end_byte >= ?',
      id,
      a,
      a,
    );
    if (span === undefined) return;
    world.run('UPDATE cache_chunks SET end_byte = ? WHERE cache_entry_id = ? AND start_byte = ?', a - 1, id, span.start_byte);
    world.run('INSERT INTO cache_chunks VALUES (?, ?, ?)', id, a, span.end_byte);
  },
  rawForget: (world, { a }, { id }) => world.run('DELETE FROM cache_chunks WHERE cache_entry_id = ? AND start_byte <= ?', id, a),
  rawRow: (world, step, { id }) => {
    const { start, end } = rangeOf(step);
    // Rows lie apart from each other.
    const overlapping = world.all(
      'SELECT 1 FROM cache_download_queue WHERE cache_entry_id = ? AND start_byte <= ? AND end_byte >= ?',
      id,
      end,
      start,
    );
    if (overlapping.length > 0) return;
    const sql = 'INSERT INTO cache_download_queue (cache_entry_id, start_byte, end_byte, priority) VALUES (?, ?, ?, ?)';
    world.run(sql, id, start, end, step.n % 4);
  },
  rawUnwant: (world, { a }, { id }) => world.run('DELETE FROM cache_download_queue WHERE cache_entry_id = ? AND start_byte >= ?', id, a),
} satisfies Record<string, Act>;

const byte = fc.nat(WORLD - 1);
const step: fc.Arbitrary<Step> = fc.record({
  op: fc.constantFrom(...(Object.keys(steps) as (keyof typeof steps)[])),
  entry: fc.nat(ENTRIES - 1),
  process: fc.nat(1),
  // Whole resources often, so that entries come to their end.
  a: fc.oneof(byte, fc.constant(0)),
  b: fc.oneof(byte, fc.constant(WORLD - 1)),
  n: fc.nat(40),
});

test('the view says what the design says, whatever happened', async () => {
  const world = new World(await newDatabase());
  const seen = new Set<DownloadState>();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (history) => {
      await world.clear();
      for (const next of history) {
        const entry = await world.entry(next.entry);
        const act: Act = steps[next.op];
        await act(world, next, entry, world.processes[next.process] as CacheRepository);
        await world.expectModel();
        for (const { state } of world.all<ViewRow>('SELECT state FROM cache_entry_states')) seen.add(state);
      }
    }),
    { numRuns: 300 },
  );
  // Else the histories would prove less than they seem to.
  expect([...seen].sort()).toEqual([...DOWNLOAD_STATES].sort());
  await world.close();
});

test.each<[string, string, DownloadState]>([
  ['complete with an error is Complete', 'expected_total_size = 10, is_complete = 1, error_message = "x"', 'Complete'],
  ['an empty resource is Complete', 'expected_total_size = 0, is_complete = 1', 'Complete'],
  ['nothing heard is Initializing', 'expected_total_size = 0', 'Initializing'],
  ['an unknown length without bytes is NotStarted', 'expected_total_size = NULL', 'NotStarted'],
  ['a known length without bytes is NotStarted', 'expected_total_size = 10', 'NotStarted'],
  ['a failure before the first answer is Failed', 'error_message = "x"', 'Failed'],
])('%s', async (_, columns, state) => {
  const database = new PlainDatabase(await newDatabase());
  database.exec(
    `INSERT INTO cache_entries (source_id, media_id) VALUES ('a', 'b'); UPDATE cache_entries SET ${columns.replaceAll('"', "'")}`,
  );
  expect(database.column('SELECT state FROM cache_entry_states')).toEqual([state]);
  database.close();
});

test('an entry that is paused while somebody reads it downloads until the reader has its bytes', async () => {
  const path = await newDatabase();
  const world = new World(path);
  await world.clear();
  const [repository] = world.processes as [CacheRepository];
  const entry = await world.entry(0);
  const of = { entryId: entry.id, epoch: entry.epoch };
  const state = async (): Promise<unknown> => (await repository.state(entry))?.state;
  await repository.ensure({ ...of, offset: 0, limit: null, priority: 0, chunkSize: 5, rows: 1, quota: null }, world.now);
  await repository.commit({ ...of, range: { start: 0, end: 1 }, description: description(WORLD), headers: {} }, world.now);
  await repository.fill({ ...of, chunkSize: 5 }, world.now);
  await repository.pause(entry.id, world.now);
  expect(await state()).toBe('Downloading');
  await repository.commit({ ...of, range: { start: 2, end: 4 }, description: description(WORLD), headers: {} }, world.now);
  expect(await state()).toBe('Paused');
  await world.close();
});
