import { BLOCK_BYTES } from '../../core/blocks.ts';

/**
 * The statements that serve reads, claims and commits, by name. Each one's plan is in test/repository/query-plans.test.ts: a statement here that walks
 * a table fails it. `$latest` is when the longest backoff that begins now ends: one that ends later was made by a clock that jumped, and does not count. `$live_from` is the moment asked about, `$live_to` that plus `LEASE_REACH_MS`: a lease is live when it ends between.
 */

/** An entry with the spans around one byte; how the entry is found is put in front. */
const readView = (where: string): string => `
SELECT e.*, s.start_byte AS span_start, s.end_byte AS span_end,
  (SELECT n.start_byte FROM cache_chunks n WHERE n.cache_entry_id = e.id AND n.start_byte > $offset ORDER BY n.start_byte LIMIT 1) AS next_start
FROM cache_entries e
LEFT JOIN cache_chunks s ON s.cache_entry_id = e.id AND s.start_byte =
  (SELECT p.start_byte FROM cache_chunks p WHERE p.cache_entry_id = e.id AND p.start_byte <= $offset ORDER BY p.start_byte DESC LIMIT 1)
WHERE ${where}`;

/** Where the range begins that covers `$start`, or the last one before: ranges do not overlap, so that no earlier one reaches `$start`. */
const startAround = (table: string): string =>
  `COALESCE((SELECT start_byte FROM ${table} WHERE cache_entry_id = $id AND start_byte <= $start ORDER BY start_byte DESC LIMIT 1), 0)`;

const isLive = 'lease_until BETWEEN $live_from AND $live_to';

export const READS = {
  stateByKey: 'SELECT * FROM cache_entry_states WHERE source_id = $source AND media_id = $media AND quality = $quality',
  downloadedBytes: 'SELECT COALESCE(SUM(end_byte - start_byte + 1), 0) AS n FROM cache_chunks WHERE cache_entry_id = $id',
  chunkCount: 'SELECT COUNT(*) AS n FROM cache_chunks WHERE cache_entry_id = $id',
  rowCount: 'SELECT COUNT(*) AS n FROM cache_download_queue WHERE cache_entry_id = $id',
  hasPending: 'SELECT EXISTS (SELECT 1 FROM cache_download_queue WHERE cache_entry_id = $id) AS n',
  leaseHolders: 'SELECT DISTINCT leased_by FROM cache_download_queue WHERE leased_by IS NOT NULL',
  hasIdleRows: `
SELECT EXISTS (SELECT 1 FROM cache_download_queue WHERE leased_by IS NULL AND priority IN (2, 3) AND cache_entry_id = $id) AS n`,
  spanAt:
    'SELECT start_byte, end_byte FROM cache_chunks WHERE cache_entry_id = $id AND start_byte <= $offset ORDER BY start_byte DESC LIMIT 1',
  spansFrom:
    'SELECT start_byte, end_byte FROM cache_chunks WHERE cache_entry_id = $id AND start_byte >= $from ORDER BY start_byte LIMIT $limit',
  spansWithin:
    'SELECT start_byte, end_byte FROM cache_chunks WHERE cache_entry_id = $id AND start_byte BETWEEN $start AND $end ORDER BY start_byte',
  entryByKey: 'SELECT * FROM cache_entries WHERE source_id = $source AND media_id = $media AND quality = $quality',
  entryById: 'SELECT * FROM cache_entries WHERE id = $id',
  entryByUrl: 'SELECT * FROM cache_entries WHERE original_url = $url ORDER BY id LIMIT 1',
  readViewById: readView('e.id = $id'),
  readViewByKey: readView('e.source_id = $source AND e.media_id = $media AND e.quality = $quality'),
  headers: 'SELECT json_group_object(name, value) AS headers FROM cache_headers WHERE cache_entry_id = $id',
  // Looks at the first $scan entries of the queue and at the $scan entries read last, not at each row: a film has a thousand, a cache 100,000 films, and
  // this runs in the thread that serves bytes. Measured with 10,000 entries of 100 rows: 2 ms for $scan = 512, 39 ms for all of them. Where more entries
  // wait, one that is neither old in the queue nor read lately waits until some of them are done.
  pendingWork: `
WITH RECURSIVE levels (priority) AS (VALUES (0), (1), (2), (3)), waiting (priority, entry_id) AS (
  SELECT l.priority, (SELECT MIN(q.cache_entry_id) FROM cache_download_queue q WHERE q.leased_by IS NULL AND q.priority = l.priority) FROM levels l
  UNION ALL
  SELECT w.priority, (SELECT MIN(q.cache_entry_id) FROM cache_download_queue q
    WHERE q.leased_by IS NULL AND q.priority = w.priority AND q.cache_entry_id > w.entry_id)
  FROM waiting w WHERE w.entry_id IS NOT NULL ORDER BY 1 LIMIT $scan
), recent (priority, entry_id) AS (
  SELECT l.priority, r.id FROM (SELECT id FROM cache_entries ORDER BY last_accessed DESC LIMIT $scan) r CROSS JOIN levels l
  WHERE EXISTS (SELECT 1 FROM cache_download_queue q WHERE q.leased_by IS NULL AND q.priority = l.priority AND q.cache_entry_id = r.id)
), best (priority, entry_id) AS (
  SELECT MIN(c.priority), e.id FROM (SELECT * FROM waiting UNION ALL SELECT * FROM recent) c CROSS JOIN cache_entries e ON e.id = c.entry_id
  WHERE e.retry_at IS NULL OR e.retry_at NOT BETWEEN $now + 1 AND $latest
  GROUP BY e.id ORDER BY 1, e.last_accessed DESC, e.id LIMIT $limit
)
SELECT e.*, q.start_byte AS row_start, q.end_byte AS row_end, q.priority AS row_priority
FROM best b CROSS JOIN cache_entries e ON e.id = b.entry_id CROSS JOIN cache_download_queue q ON q.id = (
  SELECT n.id FROM cache_download_queue n WHERE n.leased_by IS NULL AND n.priority = b.priority AND n.cache_entry_id = b.entry_id
  ORDER BY n.start_byte LIMIT 1)
ORDER BY b.priority, e.last_accessed DESC, e.id`,
  // As many rows as fetches hold: all that is leased is in a small index.
  readerLeases: `
SELECT q.cache_entry_id AS entry_id, q.start_byte, e.original_url
FROM cache_download_queue q INDEXED BY cache_download_queue_leased CROSS JOIN cache_entries e ON e.id = q.cache_entry_id
WHERE q.leased_by IS NOT NULL AND q.${isLive} AND q.priority <= $least`,
  nextRetryAt: `
SELECT e.retry_at AS n FROM cache_entries e
WHERE e.retry_at > $now AND e.retry_at <= $latest AND EXISTS (SELECT 1 FROM cache_download_queue q WHERE q.cache_entry_id = e.id) ORDER BY e.retry_at LIMIT 1`,
  nextLeaseEnd: 'SELECT MIN(lease_until) AS n FROM cache_download_queue WHERE leased_by IS NOT NULL AND lease_until >= $now',
  // No row where the epoch moved, else one for each block.
  blocks: `
WITH RECURSIVE numbers (block) AS (SELECT $first UNION ALL SELECT block + 1 FROM numbers WHERE block < $last)
SELECT n.block, e.expected_total_size AS total, k.crc32, (
  SELECT c.end_byte FROM cache_chunks c WHERE c.cache_entry_id = e.id AND c.start_byte <= n.block * ${BLOCK_BYTES} ORDER BY c.start_byte DESC LIMIT 1
) AS span_end
FROM cache_entries e CROSS JOIN numbers n LEFT JOIN cache_block_checksums k ON k.cache_entry_id = e.id AND k.block = n.block
WHERE e.id = $id AND e.epoch = $epoch`,
  oldestChecks: 'SELECT cache_entry_id, block FROM cache_block_checksums WHERE checked_at < $before ORDER BY checked_at LIMIT $limit',
  trash: 'SELECT id, file_path FROM cache_trash ORDER BY id',
  ownsFile:
    'SELECT EXISTS (SELECT 1 FROM cache_entries WHERE file_path = $path) OR EXISTS (SELECT 1 FROM cache_trash WHERE file_path = $path) AS n',
  // What counts against the quota. Part of every claim: it must not walk the entries.
  usage: `
SELECT (SELECT recorded_bytes FROM cache_statistics WHERE id = 1) AS recorded,
  (SELECT COALESCE(SUM(end_byte - start_byte + 1), 0) FROM cache_download_queue WHERE leased_by IS NOT NULL) AS leased,
  (SELECT COALESCE(SUM(bytes), 0) FROM cache_trash) AS trash`,
  // Least recently accessed first. The index holds only entries that the origin was heard of and that are not pinned: those whose bytes were evicted, which
  // are the oldest, are not walked through. $spared: the least urgent priority whose live leases protect an entry.
  evictable: `
SELECT e.id, e.epoch, e.file_path, (SELECT SUM(c.end_byte - c.start_byte + 1) FROM cache_chunks c WHERE c.cache_entry_id = e.id) AS bytes
FROM cache_entries e INDEXED BY cache_entries_evictable
WHERE e.pinned = 0 AND e.expected_total_size IS NOT 0 AND e.last_accessed < $before AND e.id <> $except
  AND (e.access_count = 0 OR e.last_accessed < $read_before)
  AND EXISTS (SELECT 1 FROM cache_chunks h WHERE h.cache_entry_id = e.id)
  AND NOT EXISTS (SELECT 1 FROM cache_download_queue q INDEXED BY cache_download_queue_leased
    WHERE q.cache_entry_id = e.id AND q.leased_by IS NOT NULL AND q.${isLive} AND q.priority <= $spared)
ORDER BY e.last_accessed, e.id LIMIT $limit`,
  pinnedBytes: `
SELECT COALESCE(SUM(c.end_byte - c.start_byte + 1), 0) AS n
FROM cache_entries e INDEXED BY cache_entries_pinned CROSS JOIN cache_chunks c ON c.cache_entry_id = e.id WHERE e.pinned = 1 AND e.id <> $except`,
  entryCount: 'SELECT COUNT(*) AS n FROM cache_entries',
  servers: 'SELECT base_url, process, started_at FROM cache_servers ORDER BY started_at DESC',
  changeToken: 'PRAGMA data_version',
} as const;

export const WRITES = {
  insertEntry: `
INSERT INTO cache_entries (source_id, media_id, quality, original_url, request_headers, filename, file_path, fill_allowed, pinned, last_accessed, created_at, updated_at)
VALUES ($source, $media, $quality, $url, $headers, $filename, $path, $fill, $pinned, $now, $now, $now)`,
  rebind: `
UPDATE cache_entries SET original_url = $url, request_headers = $headers, attempts = 0, retry_at = NULL, updated_at = $now WHERE id = $id`,
  touch: 'UPDATE cache_entries SET last_accessed = $now, access_count = access_count + 1 WHERE id = $id',
  askedFor: 'UPDATE cache_entries SET last_accessed = $now WHERE id = $id',
  setPinned: 'UPDATE cache_entries SET pinned = $pinned WHERE id = $id',
  rowAt: `
SELECT id, start_byte, end_byte, priority, user_requested, leased_by, lease_until FROM cache_download_queue
WHERE cache_entry_id = $id AND start_byte <= $offset ORDER BY start_byte DESC LIMIT 1`,
  nextRow: 'SELECT start_byte FROM cache_download_queue WHERE cache_entry_id = $id AND start_byte > $offset ORDER BY start_byte LIMIT 1',
  rowsWithin: `
SELECT id, start_byte, end_byte, priority, user_requested, leased_by, lease_until FROM cache_download_queue
WHERE cache_entry_id = $id AND start_byte BETWEEN $start AND $end ORDER BY start_byte`,
  insertRow: `
INSERT INTO cache_download_queue (cache_entry_id, start_byte, end_byte, priority, user_requested, leased_by, lease_until)
VALUES ($id, $start, $end, $priority, $requested, $owner, $until)`,
  claimRow: 'UPDATE cache_download_queue SET leased_by = $owner, lease_until = $until, priority = $priority WHERE id = $row',
  setRowStart: 'UPDATE cache_download_queue SET start_byte = $start WHERE id = $row',
  setRowEnd: 'UPDATE cache_download_queue SET end_byte = $end WHERE id = $row',
  deleteRow: 'DELETE FROM cache_download_queue WHERE id = $row',
  unleaseRow: 'UPDATE cache_download_queue SET leased_by = NULL, lease_until = NULL, priority = $priority WHERE id = $row',
  leasedRowsOf: `
SELECT id, start_byte, end_byte, priority, user_requested FROM cache_download_queue
WHERE cache_entry_id = $id AND leased_by = $owner AND start_byte <= $end AND end_byte >= $start`,
  renew: `
UPDATE cache_download_queue SET lease_until = $until WHERE leased_by = $owner
RETURNING cache_entry_id, start_byte, end_byte, priority, (SELECT epoch FROM cache_entries e WHERE e.id = cache_entry_id) AS epoch`,
  deadRows: `
SELECT q.id, q.user_requested, e.fill_allowed FROM cache_download_queue q JOIN cache_entries e ON e.id = q.cache_entry_id
WHERE q.leased_by IS NOT NULL AND NOT (q.${isLive})`,
  rowsOfOwner: `
SELECT q.id, q.user_requested, e.fill_allowed FROM cache_download_queue q JOIN cache_entries e ON e.id = q.cache_entry_id WHERE q.leased_by = $owner`,
  deleteSpan: 'DELETE FROM cache_chunks WHERE cache_entry_id = $id AND start_byte = $start',
  insertSpan: 'INSERT INTO cache_chunks (cache_entry_id, start_byte, end_byte) VALUES ($id, $start, $end)',
  growSpan: 'UPDATE cache_chunks SET end_byte = $end WHERE cache_entry_id = $id AND start_byte = $start',
  describe: `
UPDATE cache_entries SET expected_total_size = $total, etag = $etag, origin_last_modified = $modified, mime_type = $mime WHERE id = $id`,
  committed: `
UPDATE cache_entries SET is_complete = $complete, error_message = NULL, error_status = NULL, attempts = 0, retry_at = NULL, last_error = NULL, updated_at = $now
WHERE id = $id`,
  deleteHeaders: 'DELETE FROM cache_headers WHERE cache_entry_id = $id',
  insertHeader: 'INSERT INTO cache_headers (cache_entry_id, name, value) VALUES ($id, $name, $value)',
  deleteRowsFrom: 'DELETE FROM cache_download_queue WHERE cache_entry_id = $id AND start_byte >= $from',
  // What neither a span nor a row covers between $start and $end, cut into rows of at most $size bytes; of those the first $limit.
  planRows: `
WITH RECURSIVE taken (a, b) AS (
  SELECT start_byte, end_byte FROM cache_chunks WHERE cache_entry_id = $id AND start_byte BETWEEN ${startAround('cache_chunks')} AND $end
  UNION ALL SELECT start_byte, end_byte FROM cache_download_queue
    WHERE cache_entry_id = $id AND start_byte BETWEEN ${startAround('cache_download_queue')} AND $end
  UNION ALL SELECT $end + 1, $end + 1
), holes (a, b) AS (
  SELECT max($start, COALESCE(LAG(b) OVER (ORDER BY a) + 1, 0)), min($end, a - 1) FROM taken
), pieces (a, b, last) AS (
  SELECT a, min(a + $size - 1, b), b FROM holes WHERE a <= b
  UNION ALL SELECT b + 1, min(b + $size, last), last FROM pieces WHERE b < last
)
INSERT INTO cache_download_queue (cache_entry_id, start_byte, end_byte, priority, user_requested)
SELECT $id, a, b, $priority, $requested FROM pieces ORDER BY a LIMIT $limit`,
  requestRows: `
UPDATE cache_download_queue SET user_requested = 1, priority = min(priority, $priority)
WHERE cache_entry_id = $id AND start_byte BETWEEN ${startAround('cache_download_queue')} AND $end AND end_byte >= $start`,
  requestedRows: 'SELECT COUNT(*) AS n FROM cache_download_queue WHERE cache_entry_id = $id AND user_requested = 1',
  deleteIdleRows: 'DELETE FROM cache_download_queue WHERE cache_entry_id = $id AND priority > 0',
  forgetRequests: 'UPDATE cache_download_queue SET user_requested = 0 WHERE cache_entry_id = $id',
  setFillAllowed: 'UPDATE cache_entries SET fill_allowed = $allowed, updated_at = $now WHERE id = $id',
  clearFailure: `
UPDATE cache_entries SET error_message = NULL, error_status = NULL, attempts = 0, retry_at = NULL, last_error = NULL, fill_allowed = 1, updated_at = $now
WHERE id = $id`,
  fail: `
UPDATE cache_entries SET error_message = $message, error_status = $status, retry_at = NULL, updated_at = $now
WHERE id = $id AND epoch = $epoch`,
  deleteRows: 'DELETE FROM cache_download_queue WHERE cache_entry_id = $id',
  delay: `
UPDATE cache_entries SET attempts = attempts + 1, retry_at = $retry_at, last_error = $message, updated_at = $now
WHERE id = $id AND epoch = $epoch RETURNING attempts`,
  insertChecksum: `
INSERT INTO cache_block_checksums (cache_entry_id, block, crc32, checked_at) VALUES ($id, $block, $crc32, $now) ON CONFLICT DO NOTHING`,
  markChecked: 'UPDATE cache_block_checksums SET checked_at = $now WHERE cache_entry_id = $id AND block = $block',
  deleteChecksumsOf: 'DELETE FROM cache_block_checksums WHERE cache_entry_id = $id AND block BETWEEN $first AND $last',
  leasedRowsOfEntry: `
SELECT id, user_requested FROM cache_download_queue INDEXED BY cache_download_queue_leased WHERE cache_entry_id = $id AND leased_by IS NOT NULL`,
  cut: 'UPDATE cache_entries SET epoch = epoch + 1, is_complete = 0, updated_at = $now WHERE id = $id',
  rememberTrash: `
INSERT INTO cache_trash (file_path, bytes, removed_at)
SELECT file_path, (SELECT COALESCE(SUM(end_byte - start_byte + 1), 0) FROM cache_chunks WHERE cache_entry_id = $id), $now FROM cache_entries WHERE id = $id`,
  deleteSpans: 'DELETE FROM cache_chunks WHERE cache_entry_id = $id',
  deleteChecksums: 'DELETE FROM cache_block_checksums WHERE cache_entry_id = $id',
  newVersion: `
UPDATE cache_entries SET epoch = epoch + 1, file_path = $path, is_complete = 0, expected_total_size = 0, etag = NULL, origin_last_modified = NULL, mime_type = NULL,
  updated_at = $now
WHERE id = $id AND epoch = $epoch`,
  deleteEntry: 'DELETE FROM cache_entries WHERE id = $id',
  forgetTrash: 'DELETE FROM cache_trash WHERE id = $id',
  announce: `
INSERT INTO cache_servers (process, base_url, started_at) VALUES ($owner, $url, $now)
ON CONFLICT (process) DO UPDATE SET base_url = excluded.base_url, started_at = excluded.started_at`,
  retract: 'DELETE FROM cache_servers WHERE process = $owner',
} as const;
