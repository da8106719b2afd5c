import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EntrySort } from '#seekwell/repository/cache-repository';
import { ENTRY_WITH_STATE, pageQuery } from '#seekwell/repository/sqlite/entry-list';
import { READS, WRITES } from '#seekwell/repository/sqlite/statements';
import { PlainDatabase } from '../../scripts/plain-database.mjs';
import { suiteFolder } from '../support/temp-folder.ts';
import { parametersOf } from './strict-driver.ts';
import { prepareAt } from './test-database.ts';

// How SQLite finds the rows of every statement. The rule: what grows with the cache (entries, spans, rows) is looked up by an index, never walked.
// SQLite chooses without knowing the data, or knowing it after an ANALYZE that a user ran: both have to choose the same.

const ENTRY_BY_ID = 'SEARCH cache_entries USING INTEGER PRIMARY KEY (rowid=?)';
const ROW_BY_ID = 'SEARCH cache_download_queue USING INTEGER PRIMARY KEY (rowid=?)';
const SPANS_OF_ENTRY = 'SEARCH cache_chunks USING PRIMARY KEY (cache_entry_id=?)';
const ROWS_OF_ENTRY = 'SEARCH cache_download_queue USING INDEX cache_download_queue_by_range (cache_entry_id=?)';
const ROW_KEYS_OF_ENTRY = 'SEARCH cache_download_queue USING COVERING INDEX cache_download_queue_by_range (cache_entry_id=?)';
const ROWS_WITHIN =
  'SEARCH cache_download_queue USING INDEX cache_download_queue_by_range (cache_entry_id=? AND start_byte>? AND start_byte<?)';
const ROW_BEFORE = 'SEARCH cache_download_queue USING COVERING INDEX cache_download_queue_by_range (cache_entry_id=? AND start_byte<?)';

/** The CASE of the view: first span, second span, last span, sum, any span, any row. */
const STATE = [
  'SEARCH c USING PRIMARY KEY (cache_entry_id=? AND start_byte=?)',
  'SEARCH c USING PRIMARY KEY (cache_entry_id=? AND start_byte>?)',
  'SEARCH c USING PRIMARY KEY (cache_entry_id=?)',
  'SEARCH c USING PRIMARY KEY (cache_entry_id=?)',
  'SEARCH c USING PRIMARY KEY (cache_entry_id=?)',
  'SEARCH q USING COVERING INDEX cache_download_queue_by_range (cache_entry_id=?)',
];
/** The state, then bytes, spans and rows, each counted for one entry. */
const VIEW = [
  ...STATE,
  'SEARCH c USING PRIMARY KEY (cache_entry_id=?)',
  'SEARCH c USING PRIMARY KEY (cache_entry_id=?)',
  'SEARCH q USING COVERING INDEX cache_download_queue_by_range (cache_entry_id=?)',
];
const BY_ID = 'SEARCH e USING INTEGER PRIMARY KEY (rowid=?)';
const BY_KEY = 'SEARCH e USING INDEX sqlite_autoindex_cache_entries_2 (source_id=? AND media_id=? AND quality=?)';
const IS_ACTIVE = 'SEARCH q USING COVERING INDEX cache_download_queue_leased (cache_entry_id=?)';
const AROUND_A_BYTE = [
  'SEARCH s USING PRIMARY KEY (cache_entry_id=? AND start_byte=?) LEFT-JOIN',
  'SEARCH p USING PRIMARY KEY (cache_entry_id=? AND start_byte<?)',
  'SEARCH n USING PRIMARY KEY (cache_entry_id=? AND start_byte>?)',
];

/** Every look into a table, in the order in which SQLite plans them. */
const READ_PLANS: Record<Exclude<keyof typeof READS, 'changeToken'>, readonly string[]> = {
  stateByKey: [BY_KEY, ...VIEW],
  downloadedBytes: [SPANS_OF_ENTRY],
  chunkCount: [SPANS_OF_ENTRY],
  rowCount: [ROW_KEYS_OF_ENTRY],
  hasPending: [ROW_KEYS_OF_ENTRY],
  leaseHolders: ['SCAN cache_download_queue USING COVERING INDEX cache_download_queue_leased'],
  hasIdleRows: ['SEARCH cache_download_queue USING INDEX cache_download_queue_pending (priority=? AND cache_entry_id=?)'],
  spanAt: ['SEARCH cache_chunks USING PRIMARY KEY (cache_entry_id=? AND start_byte<?)'],
  spansFrom: ['SEARCH cache_chunks USING PRIMARY KEY (cache_entry_id=? AND start_byte>?)'],
  spansWithin: ['SEARCH cache_chunks USING PRIMARY KEY (cache_entry_id=? AND start_byte>? AND start_byte<?)'],
  entryByKey: ['SEARCH cache_entries USING INDEX sqlite_autoindex_cache_entries_2 (source_id=? AND media_id=? AND quality=?)'],
  entryById: [ENTRY_BY_ID],
  entryByUrl: ['SEARCH cache_entries USING INDEX cache_entries_by_url (original_url=?)'],
  readViewById: [BY_ID, ...AROUND_A_BYTE],
  readViewByKey: [BY_KEY, ...AROUND_A_BYTE],
  headers: ['SEARCH cache_headers USING PRIMARY KEY (cache_entry_id=?)'],
  pendingWork: [
    'SEARCH q USING INDEX cache_download_queue_pending (priority=?)',
    'SEARCH q USING INDEX cache_download_queue_pending (priority=? AND cache_entry_id>?)',
    'SCAN cache_entries USING COVERING INDEX cache_entries_by_last_accessed',
    'SEARCH q EXISTS USING INDEX cache_download_queue_pending (priority=? AND cache_entry_id=?)',
    BY_ID,
    BY_ID,
    'SEARCH q USING INTEGER PRIMARY KEY (rowid=?)',
    'SEARCH n USING INDEX cache_download_queue_pending (priority=? AND cache_entry_id=?)',
  ],
  readerLeases: ['SCAN q USING INDEX cache_download_queue_leased', BY_ID],
  nextRetryAt: [
    'SEARCH e USING COVERING INDEX cache_entries_by_retry_at (retry_at>? AND retry_at<?)',
    'SEARCH q EXISTS USING COVERING INDEX cache_download_queue_by_range (cache_entry_id=?)',
  ],
  nextLeaseEnd: ['SEARCH cache_download_queue USING COVERING INDEX cache_download_queue_leased'],
  blocks: [
    BY_ID,
    'SEARCH k USING PRIMARY KEY (cache_entry_id=? AND block=?) LEFT-JOIN',
    'SEARCH c USING PRIMARY KEY (cache_entry_id=? AND start_byte<?)',
  ],
  oldestChecks: ['SEARCH cache_block_checksums USING COVERING INDEX cache_block_checksums_by_checked_at (checked_at<?)'],
  trash: ['SCAN cache_trash'],
  ownsFile: [
    'SEARCH cache_entries USING COVERING INDEX sqlite_autoindex_cache_entries_1 (file_path=?)',
    'SEARCH cache_trash USING COVERING INDEX sqlite_autoindex_cache_trash_1 (file_path=?)',
  ],
  usage: [
    'SEARCH cache_statistics USING INTEGER PRIMARY KEY (rowid=?)',
    'SCAN cache_download_queue USING COVERING INDEX cache_download_queue_leased',
    'SCAN cache_trash',
  ],
  evictable: [
    'SEARCH e USING INDEX cache_entries_evictable (last_accessed<?)',
    'SEARCH q USING INDEX cache_download_queue_leased (cache_entry_id=?)',
    'SEARCH h EXISTS USING PRIMARY KEY (cache_entry_id=?)',
    'SEARCH c USING PRIMARY KEY (cache_entry_id=?)',
  ],
  pinnedBytes: ['SCAN e USING COVERING INDEX cache_entries_pinned', 'SEARCH c USING PRIMARY KEY (cache_entry_id=?)'],
  entryCount: ['SCAN cache_entries USING COVERING INDEX cache_entries_by_name'],
  servers: ['SCAN cache_servers'],
};

const WRITE_PLANS: Record<keyof typeof WRITES, readonly string[]> = {
  insertEntry: [],
  rebind: [ENTRY_BY_ID],
  touch: [ENTRY_BY_ID],
  askedFor: [ENTRY_BY_ID],
  setPinned: [ENTRY_BY_ID],
  rowAt: ['SEARCH cache_download_queue USING INDEX cache_download_queue_by_range (cache_entry_id=? AND start_byte<?)'],
  nextRow: ['SEARCH cache_download_queue USING COVERING INDEX cache_download_queue_by_range (cache_entry_id=? AND start_byte>?)'],
  rowsWithin: [
    'SEARCH cache_download_queue USING INDEX cache_download_queue_by_range (cache_entry_id=? AND start_byte>? AND start_byte<?)',
  ],
  insertRow: [],
  claimRow: [ROW_BY_ID],
  setRowStart: [ROW_BY_ID],
  setRowEnd: [ROW_BY_ID],
  deleteRow: [ROW_BY_ID],
  unleaseRow: [ROW_BY_ID],
  leasedRowsOf: ['SEARCH cache_download_queue USING INDEX cache_download_queue_leased (cache_entry_id=? AND start_byte<?)'],
  renew: ['SCAN cache_download_queue USING COVERING INDEX cache_download_queue_leased', BY_ID],
  rowsOfOwner: ['SCAN q USING INDEX cache_download_queue_leased', BY_ID],
  deadRows: ['SCAN q USING INDEX cache_download_queue_leased', BY_ID],
  deleteSpan: ['SEARCH cache_chunks USING PRIMARY KEY (cache_entry_id=? AND start_byte=?)'],
  insertSpan: [],
  growSpan: ['SEARCH cache_chunks USING PRIMARY KEY (cache_entry_id=? AND start_byte=?)'],
  describe: [ENTRY_BY_ID],
  committed: [ENTRY_BY_ID],
  deleteHeaders: ['SEARCH cache_headers USING PRIMARY KEY (cache_entry_id=?)'],
  insertHeader: [],
  deleteRowsFrom: ['SEARCH cache_download_queue USING COVERING INDEX cache_download_queue_by_range (cache_entry_id=? AND start_byte>?)'],
  // Between the one around the start of the range and its end.
  planRows: [
    'SEARCH cache_chunks USING PRIMARY KEY (cache_entry_id=? AND start_byte>? AND start_byte<?)',
    'SEARCH cache_chunks USING PRIMARY KEY (cache_entry_id=? AND start_byte<?)',
    ROWS_WITHIN,
    ROW_BEFORE,
  ],
  requestRows: [ROWS_WITHIN, ROW_BEFORE],
  requestedRows: [ROWS_OF_ENTRY],
  deleteIdleRows: [ROWS_OF_ENTRY],
  forgetRequests: [ROWS_OF_ENTRY],
  setFillAllowed: [ENTRY_BY_ID],
  clearFailure: [ENTRY_BY_ID],
  fail: [ENTRY_BY_ID],
  deleteRows: [ROW_KEYS_OF_ENTRY],
  delay: [ENTRY_BY_ID],
  insertChecksum: [],
  markChecked: ['SEARCH cache_block_checksums USING PRIMARY KEY (cache_entry_id=? AND block=?)'],
  deleteChecksumsOf: ['SEARCH cache_block_checksums USING PRIMARY KEY (cache_entry_id=? AND block>? AND block<?)'],
  leasedRowsOfEntry: ['SEARCH cache_download_queue USING INDEX cache_download_queue_leased (cache_entry_id=?)'],
  cut: [ENTRY_BY_ID],
  rememberTrash: [ENTRY_BY_ID, SPANS_OF_ENTRY],
  deleteSpans: [SPANS_OF_ENTRY],
  deleteChecksums: ['SEARCH cache_block_checksums USING PRIMARY KEY (cache_entry_id=?)'],
  newVersion: [ENTRY_BY_ID],
  // The rest is what the foreign keys look for.
  deleteEntry: [
    ENTRY_BY_ID,
    'SEARCH cache_headers USING PRIMARY KEY (cache_entry_id=?)',
    'SEARCH cache_block_checksums USING PRIMARY KEY (cache_entry_id=?)',
    ROW_KEYS_OF_ENTRY,
    SPANS_OF_ENTRY,
  ],
  forgetTrash: ['SEARCH cache_trash USING INTEGER PRIMARY KEY (rowid=?)'],
  announce: [],
  retract: ['SEARCH cache_servers USING PRIMARY KEY (process=?)'],
};

const PAGE = [BY_ID, BY_ID, ...VIEW, IS_ACTIVE];

/** How the first page of each order, and the one after a cursor, find their entries. */
const ORDERS: Record<EntrySort, { readonly cursor: unknown; readonly first: string; readonly next: string }> = {
  id: { cursor: [5, 5], first: 'SCAN e', next: 'SEARCH e USING INTEGER PRIMARY KEY (rowid>?)' },
  lastAccessed: {
    cursor: [5, 5],
    first: 'SCAN e USING COVERING INDEX cache_entries_by_last_accessed',
    next: 'SEARCH e USING COVERING INDEX cache_entries_by_last_accessed (last_accessed<?)',
  },
  createdAt: {
    cursor: [5, 5],
    first: 'SCAN e USING COVERING INDEX cache_entries_by_created_at',
    next: 'SEARCH e USING COVERING INDEX cache_entries_by_created_at (created_at<?)',
  },
  name: {
    cursor: ['m5', 5],
    first: 'SCAN e USING COVERING INDEX cache_entries_by_name',
    next: 'SEARCH e USING COVERING INDEX cache_entries_by_name (<expr>>?)',
  },
};

/** Statements that walk something, and why they may. */
const WALKS: Record<string, string> = {
  usage: 'the leased rows (a partial index: as many as fetches are under way) and the trash (files that are being unlinked)',
  readerLeases: 'the leased rows',
  renew: 'the leased rows',
  leaseHolders: 'the leased rows',
  rowsOfOwner: 'the leased rows',
  deadRows: 'the leased rows',
  trash: 'the trash',
  pinnedBytes: 'the entries that are pinned (a partial index)',
  servers: 'the processes that serve this cache',
  entryCount: 'the entries, for the statistics page and nothing else',
  pendingWork: 'the entries that were read last, of which it takes some hundreds: a LIMIT ends the walk',
};

/** The accesses to tables in a plan, without those to the results of its own subqueries. */
function accesses(plan: readonly string[]): string[] {
  const derived = new Set(['CONSTANT', 'w', 'waiting', 'l', 'r', 'c', 'b', 'p', 'taken', 'holes', 'pieces', 'n', 'numbers', '4']);
  return plan.filter((line) => {
    const [verb, name = ''] = line.split(' ');
    return verb === 'SEARCH' || (verb === 'SCAN' && !derived.has(name) && !name.startsWith('(subquery-'));
  });
}

function fill(database: PlainDatabase): void {
  const entry = database.prepare(
    "INSERT INTO cache_entries (source_id, media_id, original_url, expected_total_size, last_accessed, created_at, retry_at) VALUES ('url', ?, ?, ?, ?, ?, ?)",
  );
  const span = database.prepare('INSERT INTO cache_chunks VALUES (?, ?, ?)');
  const row = database.prepare(
    'INSERT INTO cache_download_queue (cache_entry_id, start_byte, end_byte, leased_by, lease_until) VALUES (?, ?, ?, ?, ?)',
  );
  for (let id = 1; id <= 2_000; id++) {
    entry.run(`m${id}`, `https://origin.test/${id}`, 10_000, id, id, id % 50 === 0 ? id : null);
    for (let at = 0; at < 5_000; at += 1_000) span.run(id, at, at + 499);
    for (let at = 5_000; at < 10_000; at += 1_000) row.run(id, at, at + 999, id < 5 ? 'me' : null, id < 5 ? at : null);
  }
}

describe.each(['an empty database', 'a filled one', 'a filled one after ANALYZE'])('in %s', (kind) => {
  const folder = suiteFolder('plans');
  let database: PlainDatabase;

  beforeAll(async () => {
    const path = await prepareAt(await folder());
    database = new PlainDatabase(path);
    if (kind === 'an empty database') return;
    database.transaction(() => fill(database));
    if (kind === 'a filled one') return;
    database.exec('ANALYZE');
    database.close();
    // What ANALYZE found is read when a connection is opened.
    database = new PlainDatabase(path);
  });

  afterAll(() => {
    database.close();
  });

  function planOf(sql: string): string[] {
    const params = Object.fromEntries([...parametersOf(sql)].map((name) => [name, 1]));
    const lines = database.prepare<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(params);
    return accesses(lines.map(({ detail }) => detail));
  }

  test.each(Object.entries({ ...READ_PLANS, ...WRITE_PLANS }))('%s', (name, plan) => {
    const found = planOf(({ ...READS, ...WRITES } as Record<string, string>)[name] ?? '');
    expect(found).toEqual(plan);
    expect(found.some((line) => line.startsWith('SCAN'))).toBe(name in WALKS);
  });

  test('an entry with its state', () => {
    expect(planOf(ENTRY_WITH_STATE)).toEqual([BY_ID, BY_ID, ...VIEW, IS_ACTIVE]);
  });

  test.each(Object.entries(ORDERS))(
    'a page by %s: no more entries than fit on it, and states for those only',
    (sort, { cursor, first, next }) => {
      const query = { sort: sort as EntrySort, limit: 100 };
      expect(planOf(pageQuery(query, 5).sql)).toEqual([first, ...PAGE]);
      const encoded = Buffer.from(JSON.stringify(cursor)).toString('base64url');
      expect(planOf(pageQuery({ ...query, cursor: encoded }, 5).sql)).toEqual([next, ...PAGE]);
    },
  );

  test.each(Object.entries(ORDERS))('a filtered page by %s walks the order, and sorts nothing', (sort, { first }) => {
    const query = { sort: sort as EntrySort, limit: 100, sourceId: 'url', search: 'x', state: 'Failed' } as const;
    expect(planOf(pageQuery(query, 5).sql)).toEqual([first.replace('COVERING ', ''), BY_ID, ...STATE, ...PAGE]);
  });
});
