import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { PlainDatabase } from '../../scripts/plain-database.mjs';

/** Changes the byte at `offset` of a file, as a failing disk would: nobody is told. */
export async function flipByte(path: string, offset: number): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, offset);
    byte.writeUInt8(byte.readUInt8(0) ^ 0xff);
    await file.write(byte, 0, 1, offset);
  } finally {
    await file.close();
  }
}

/** The recorded checksums of the first entry, by block. */
export function recordedChecksums(cacheDir: string): Record<number, number> {
  const database = new PlainDatabase(join(cacheDir, 'seekwell.db'), { readonly: true });
  const rows = database.prepare<{ block: number; crc32: number }>('SELECT block, crc32 FROM cache_block_checksums').all();
  database.close();
  return Object.fromEntries(rows.map(({ block, crc32 }) => [block, crc32]));
}

/** As after a kill between a commit and the recording of its checksums. */
export function forgetChecksums(cacheDir: string): void {
  const database = new PlainDatabase(join(cacheDir, 'seekwell.db'));
  database.exec('DELETE FROM cache_block_checksums');
  database.close();
}
