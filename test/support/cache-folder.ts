import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { PlainDatabase } from '../../scripts/plain-database.mjs';

/** Bytes compared at once. */
const COMPARED_AT_ONCE = 1024 * 1024;

/** A run of bytes that the database says are in a file, both ends inclusive. */
export interface RecordedSpan {
  readonly entryId: number;
  /** The absolute path of the entry's file. */
  readonly path: string;
  readonly start: number;
  readonly end: number;
}

/** What the database of a cache folder promises, read as a user with `sqlite3` would: apart from all code of the product. */
export function recordedSpans(cacheDir: string): RecordedSpan[] {
  const database = new PlainDatabase(join(cacheDir, 'seekwell.db'), { readonly: true });
  try {
    const rows = database
      .prepare<{ id: number; file: string; start: number; end: number }>(
        `SELECT e.id AS id, e.file_path AS file, c.start_byte AS start, c.end_byte AS end
         FROM cache_chunks c JOIN cache_entries e ON e.id = c.cache_entry_id
         ORDER BY e.id, c.start_byte`,
      )
      .all();
    return rows.map(({ id, file, start, end }) => ({ entryId: id, path: join(cacheDir, file), start, end }));
  } finally {
    database.close();
  }
}

/** The absolute path of an entry's file. */
export function filePathOf(cacheDir: string, entryId: number): string {
  const database = new PlainDatabase(join(cacheDir, 'seekwell.db'), { readonly: true });
  try {
    const row = database.prepare<{ file: string }>('SELECT file_path AS file FROM cache_entries WHERE id = ?').get(entryId);
    if (row === undefined) throw new Error(`no entry ${entryId} in ${cacheDir}`);
    return join(cacheDir, row.file);
  } finally {
    database.close();
  }
}

/** The first offset in `span` at which its file is not what the file `original` is; null when the span is true. */
async function firstWrongByte(span: RecordedSpan, original: string): Promise<number | null> {
  const [cached, source] = await Promise.all([open(span.path), open(original)]);
  try {
    for (let at = span.start; at <= span.end; at += COMPARED_AT_ONCE) {
      const length = Math.min(COMPARED_AT_ONCE, span.end - at + 1);
      const [got, expected] = await Promise.all([cached, source].map((file) => file.read(Buffer.alloc(length), 0, length, at)));
      if (got === undefined || expected === undefined) throw new Error('two files, two reads');
      const [a, b] = [got.buffer.subarray(0, got.bytesRead), expected.buffer.subarray(0, expected.bytesRead)];
      if (a.length === length && a.equals(b)) continue;
      const wrong = a.findIndex((byte, i) => byte !== b[i]);
      return at + (wrong === -1 ? Math.min(a.length, b.length) : wrong);
    }
    return null;
  } finally {
    await Promise.all([cached.close(), source.close()]);
  }
}

/** The spans that promise bytes which differ from those of the file `original`, and where they first do. Empty: every promise is kept. */
export async function falseSpans(spans: readonly RecordedSpan[], original: string): Promise<{ span: RecordedSpan; at: number }[]> {
  const found = [];
  for (const span of spans) {
    const at = await firstWrongByte(span, original);
    if (at !== null) found.push({ span, at });
  }
  return found;
}
