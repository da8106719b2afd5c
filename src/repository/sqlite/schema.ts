/** Marks a database as Seekwell's ("SEEK"), so that another program's file of the same name is refused. */
export const APPLICATION_ID = 0x5345_454b;

/** Version 1 of the schema. Times are UTC milliseconds, ranges inclusive at both ends, flags 0 or 1. */
const VERSION_1 = `
CREATE TABLE cache_entries (
  id                   INTEGER PRIMARY KEY AUTOINCREMENT,
  source_id            TEXT    NOT NULL,
  media_id             TEXT    NOT NULL,
  quality              TEXT    NOT NULL DEFAULT 'original',
  original_url         TEXT    NOT NULL DEFAULT '',    -- a secret
  request_headers      TEXT    NOT NULL DEFAULT '{}',  -- JSON object; secrets
  filename             TEXT,                           -- shown to players
  file_path            TEXT    NOT NULL UNIQUE DEFAULT ('files/' || lower(hex(randomblob(16)))),  -- below the cache folder
  epoch                INTEGER NOT NULL DEFAULT 0,     -- raised by every removal of bytes
  etag                 TEXT,                           -- strong, with its quotes
  origin_last_modified TEXT,                           -- as the origin wrote it
  mime_type            TEXT,
  expected_total_size  INTEGER DEFAULT 0 CHECK (expected_total_size >= 0),  -- 0: nothing heard yet; NULL: the origin gives no length
  is_complete          INTEGER NOT NULL DEFAULT 0 CHECK (is_complete IN (0, 1)),
  error_message        TEXT,                           -- a permanent answer
  error_status         INTEGER,                        -- its HTTP status
  attempts             INTEGER NOT NULL DEFAULT 0,     -- tries in a row that failed for a passing reason
  retry_at             INTEGER,                        -- background work waits until then
  last_error           TEXT,                           -- the latest passing failure since the last byte
  fill_allowed         INTEGER NOT NULL DEFAULT 1 CHECK (fill_allowed IN (0, 1)),
  pinned               INTEGER NOT NULL DEFAULT 0 CHECK (pinned IN (0, 1)),
  last_accessed        INTEGER NOT NULL DEFAULT 0,
  access_count         INTEGER NOT NULL DEFAULT 0,
  created_at           INTEGER NOT NULL DEFAULT 0,
  updated_at           INTEGER NOT NULL DEFAULT 0,
  UNIQUE (source_id, media_id, quality)
) STRICT;
CREATE INDEX cache_entries_by_url ON cache_entries (original_url);
-- One for each order that entries are listed in; ties are broken by the id, which every index ends with.
CREATE INDEX cache_entries_by_last_accessed ON cache_entries (last_accessed);
CREATE INDEX cache_entries_by_created_at ON cache_entries (created_at);
CREATE INDEX cache_entries_by_name ON cache_entries (COALESCE(filename, media_id));
CREATE INDEX cache_entries_by_retry_at ON cache_entries (retry_at) WHERE retry_at IS NOT NULL;
-- What is evicted, in order. Entries whose bytes were removed have heard nothing of their version (0): they are not in it.
CREATE INDEX cache_entries_evictable ON cache_entries (last_accessed) WHERE pinned = 0 AND expected_total_size IS NOT 0;
CREATE INDEX cache_entries_pinned ON cache_entries (id) WHERE pinned = 1;

-- Spans. A row is a promise: these bytes are durable in the entry's file and equal the origin's.
CREATE TABLE cache_chunks (
  cache_entry_id INTEGER NOT NULL REFERENCES cache_entries (id) ON DELETE CASCADE,
  start_byte     INTEGER NOT NULL CHECK (start_byte >= 0),
  end_byte       INTEGER NOT NULL,
  PRIMARY KEY (cache_entry_id, start_byte),
  CHECK (end_byte >= start_byte)
) STRICT, WITHOUT ROWID;

-- Byte ranges that somebody wants. Pending rows are MEDIUM (2) or LOW (3); CRITICAL (0) and HIGH (1) exist only as leased rows.
CREATE TABLE cache_download_queue (
  id             INTEGER PRIMARY KEY,
  cache_entry_id INTEGER NOT NULL REFERENCES cache_entries (id) ON DELETE CASCADE,
  start_byte     INTEGER NOT NULL CHECK (start_byte >= 0),
  end_byte       INTEGER NOT NULL,
  priority       INTEGER NOT NULL DEFAULT 3 CHECK (priority BETWEEN 0 AND 3),
  user_requested INTEGER NOT NULL DEFAULT 0 CHECK (user_requested IN (0, 1)),
  leased_by      TEXT,                                 -- host, boot, pid, start of the process, random
  lease_until    INTEGER,
  status         TEXT GENERATED ALWAYS AS (CASE WHEN leased_by IS NULL THEN 'pending' ELSE 'active' END) VIRTUAL,
  CHECK (end_byte >= start_byte),
  CHECK ((leased_by IS NULL) = (lease_until IS NULL))
) STRICT;
CREATE UNIQUE INDEX cache_download_queue_by_range ON cache_download_queue (cache_entry_id, start_byte);
CREATE INDEX cache_download_queue_pending ON cache_download_queue (priority, cache_entry_id, start_byte) WHERE leased_by IS NULL;
CREATE INDEX cache_download_queue_leased ON cache_download_queue (cache_entry_id, start_byte, end_byte, lease_until, leased_by) WHERE leased_by IS NOT NULL;

-- CRC-32 of whole blocks of 1 MiB.
CREATE TABLE cache_block_checksums (
  cache_entry_id INTEGER NOT NULL REFERENCES cache_entries (id) ON DELETE CASCADE,
  block          INTEGER NOT NULL CHECK (block >= 0),
  crc32          INTEGER NOT NULL,
  PRIMARY KEY (cache_entry_id, block)
) STRICT, WITHOUT ROWID;

-- Files whose removal is recorded, until they are unlinked. Ids are never reused: who is late to forget one file must not forget another.
CREATE TABLE cache_trash (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  file_path  TEXT    NOT NULL UNIQUE,
  bytes      INTEGER NOT NULL,
  removed_at INTEGER NOT NULL
) STRICT;

-- Headers of the origin's answer that are passed on, by lower-case name.
CREATE TABLE cache_headers (
  cache_entry_id INTEGER NOT NULL REFERENCES cache_entries (id) ON DELETE CASCADE,
  name           TEXT    NOT NULL,
  value          TEXT    NOT NULL,
  PRIMARY KEY (cache_entry_id, name)
) STRICT, WITHOUT ROWID;

-- What is known of a media's qualities beyond their names.
CREATE TABLE cache_quality_variants (
  source_id   TEXT NOT NULL,
  media_id    TEXT NOT NULL,
  quality     TEXT NOT NULL,
  width       INTEGER,
  height      INTEGER,
  bit_rate    INTEGER,                                 -- bits a second
  PRIMARY KEY (source_id, media_id, quality)
) STRICT, WITHOUT ROWID;

CREATE TABLE cache_statistics (
  id             INTEGER PRIMARY KEY CHECK (id = 1),
  recorded_bytes INTEGER NOT NULL DEFAULT 0            -- sum over all spans, kept by the triggers below
) STRICT;
INSERT INTO cache_statistics (id) VALUES (1);

-- Processes that serve this cache and where.
CREATE TABLE cache_servers (
  process    TEXT    PRIMARY KEY,
  base_url   TEXT    NOT NULL,
  started_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER cache_chunks_inserted AFTER INSERT ON cache_chunks BEGIN
  UPDATE cache_statistics SET recorded_bytes = recorded_bytes + new.end_byte - new.start_byte + 1 WHERE id = 1;
END;
CREATE TRIGGER cache_chunks_deleted AFTER DELETE ON cache_chunks BEGIN
  UPDATE cache_statistics SET recorded_bytes = recorded_bytes - (old.end_byte - old.start_byte + 1) WHERE id = 1;
END;
CREATE TRIGGER cache_chunks_updated AFTER UPDATE ON cache_chunks BEGIN
  UPDATE cache_statistics
  SET recorded_bytes = recorded_bytes + (new.end_byte - new.start_byte) - (old.end_byte - old.start_byte) WHERE id = 1;
END;

-- The one definition of state. The sum is taken only where the first span begins at 0 and the next one right after it, and the last one reaches the end
-- (spans never overlap and lie within the total, so that nothing else can add up to it): a state costs a few look-ups, however many spans there are.
CREATE VIEW cache_entry_states AS
SELECT
  e.id AS cache_entry_id, e.source_id, e.media_id, e.quality,
  CASE
    WHEN e.is_complete THEN 'Complete'
    WHEN e.expected_total_size > 0
      AND (SELECT c.end_byte + 1 FROM cache_chunks c WHERE c.cache_entry_id = e.id AND c.start_byte = 0) = COALESCE(
        (SELECT c.start_byte FROM cache_chunks c WHERE c.cache_entry_id = e.id AND c.start_byte > 0 ORDER BY c.start_byte LIMIT 1), e.expected_total_size)
      AND (SELECT c.end_byte FROM cache_chunks c WHERE c.cache_entry_id = e.id ORDER BY c.start_byte DESC LIMIT 1) = e.expected_total_size - 1
      AND (SELECT SUM(c.end_byte - c.start_byte + 1) FROM cache_chunks c WHERE c.cache_entry_id = e.id) = e.expected_total_size
      THEN 'Complete'
    WHEN e.error_message IS NOT NULL THEN 'Failed'
    WHEN NOT EXISTS (SELECT 1 FROM cache_chunks c WHERE c.cache_entry_id = e.id)
      THEN CASE WHEN e.expected_total_size = 0 THEN 'Initializing' ELSE 'NotStarted' END
    WHEN EXISTS (SELECT 1 FROM cache_download_queue q WHERE q.cache_entry_id = e.id) THEN 'Downloading'
    ELSE 'Paused'
  END AS state,
  (SELECT COALESCE(SUM(c.end_byte - c.start_byte + 1), 0) FROM cache_chunks c WHERE c.cache_entry_id = e.id) AS downloaded_bytes,
  e.expected_total_size,
  (SELECT COUNT(*) FROM cache_chunks c WHERE c.cache_entry_id = e.id) AS span_count,
  (SELECT COUNT(*) FROM cache_download_queue q WHERE q.cache_entry_id = e.id) AS pending_chunks,
  e.error_message
FROM cache_entries e;
`;

/** Version 2: when each block was last held against its checksum, so that the background check goes on where it was left. */
const VERSION_2 = `
ALTER TABLE cache_block_checksums ADD COLUMN checked_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX cache_block_checksums_by_checked_at ON cache_block_checksums (checked_at);
`;

/** Every version of the schema, oldest first. A version that was released is never edited. */
export const SCHEMA_VERSIONS: readonly string[] = [VERSION_1, VERSION_2];
