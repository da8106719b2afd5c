import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { SqliteRepository } from '#seekwell/repository/sqlite/sqlite-repository';
import { PlainDatabase } from '../scripts/plain-database.mjs';

// Caches as they are after years, written by plain SQL: fetching them would take as long.

/** Bytes of every resource. */
const TOTAL = 4_000_000_000;

/** @typedef {{ entries: number, spans: number, rows: number, files?: boolean }} Size spans and rows of each entry; files: make the files too */

/** Makes the database of a cache in `folder`. @param {string} folder @param {Size} size @returns {Promise<string>} its path */
export async function makeCache(folder, { entries, spans, rows, files = false }) {
  const path = join(folder, 'seekwell.db');
  await (await SqliteRepository.open({ path, owner: 'bench' })).close();
  const database = new PlainDatabase(path);
  database.exec('PRAGMA synchronous = OFF');
  const entry = database.prepare(`
INSERT INTO cache_entries (source_id, media_id, original_url, filename, file_path, etag, expected_total_size, last_accessed, created_at, updated_at)
VALUES ('url', $media, $url, $filename, $path, '"v"', ${TOTAL}, $at, $at, $at)`);
  const span = database.prepare('INSERT INTO cache_chunks (cache_entry_id, start_byte, end_byte) VALUES (?, ?, ?)');
  const row = database.prepare('INSERT INTO cache_download_queue (cache_entry_id, start_byte, end_byte) VALUES (?, ?, ?)');
  database.transaction(() => {
    for (let index = 1; index <= entries; index++) {
      const name = fileName(index);
      entry.run({
        media: `media-${index}`,
        url: `http://127.0.0.1:9/${index}`,
        filename: `film ${index}.mkv`,
        path: name,
        at: 1_700_000_000_000 + index,
      });
      addSpans(span, index, spans);
      for (let at = 0; at < rows; at++) row.run(index, TOTAL / 2 + at * 4_194_304, TOTAL / 2 + (at + 1) * 4_194_304 - 1);
      if (files) makeFile(join(folder, name));
    }
  });
  database.close();
  return path;
}

/** Spans over the first half, and one at the end, where players look first. @param {import('../scripts/plain-database.mjs').PlainStatement<unknown>} span @param {number} entry @param {number} count */
function addSpans(span, entry, count) {
  const step = Math.floor(TOTAL / 2 / count);
  for (let at = 0; at < count - 1; at++) span.run(entry, at * step, at * step + Math.floor(step / 2));
  if (count > 0) span.run(entry, TOTAL - 1_000_000, TOTAL - 1);
}

/** @param {number} index */
function fileName(index) {
  const random = index.toString(16).padStart(32, '0');
  return `files/${random.slice(-2)}/${random}.mkv`;
}

/** @param {string} path */
function makeFile(path) {
  mkdirSync(join(path, '..'), { recursive: true });
  closeSync(openSync(path, 'w'));
}
