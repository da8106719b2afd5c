import { stat } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { filePathOf } from '../support/cache-folder.ts';
import { CacheServer } from '../support/cache-server.ts';
import { Daemon } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import { temporaryFolder } from '../support/temp-folder.ts';

// By how much the disk differs from what is recorded: the figures of docs/storage.md.

const MIB = 1024 * 1024;

/** Bytes that the file of an entry takes on the disk. */
async function onDisk(cacheDir: string, id: number): Promise<number> {
  // POSIX: in units of 512 bytes, whatever the block of the file system is.
  return (await stat(filePathOf(cacheDir, id))).blocks * 512;
}

test('spans take at most one block for each of their ends more than they have bytes', async () => {
  const cacheDir = await temporaryFolder();
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 64 * MIB });
  const { cache } = await CacheServer.start({ cacheDir, fill: 'never', lookahead: 0, durability: 'process-crash' });
  const entry = await cache.add({ url: film.url });
  for (let index = 0; index < 100; index++) {
    for await (const _chunk of entry.read({ offset: index * 500_001, length: 9_001 }));
  }
  await eventually('all is recorded', async () => (await entry.info()).downloadedBytes === 100 * 9_001);
  const { blksize } = await stat(filePathOf(cacheDir, entry.id));
  const surplus = (await onDisk(cacheDir, entry.id)) - 100 * 9_001;
  console.info(`100 spans of 9,001 bytes take ${surplus} bytes more than is recorded, ${surplus / 100} each, in blocks of ${blksize}`);
  expect(surplus).toBeGreaterThanOrEqual(0);
  expect(surplus).toBeLessThanOrEqual(100 * 2 * blksize);
});

test('a killed process leaves in the file what it had written since its last commit', async () => {
  const cacheDir = await temporaryFolder();
  const origin = await ScriptedOrigin.start();
  const rate = 4 * MIB;
  const film = origin.add('/film.mkv', { size: 256 * MIB, rate });
  const daemon = await Daemon.start({ cacheDir, args: ['--fill', 'never', '--connections', '1'] });
  const { streamUrl, id } = await daemon.register(film.url);
  const reading = fetch(streamUrl)
    .then((response) => response.arrayBuffer())
    .catch(() => null);
  await eventually('bytes are recorded', async () => (await daemon.entry(id)).downloadedBytes > 4 * MIB);
  await daemon.kill9();
  await reading;
  const { cache } = await CacheServer.start({ cacheDir, background: false });
  const surplus = (await onDisk(cacheDir, id)) - (await cache.statistics()).recordedBytes;
  console.info(`killed at ${rate} bytes a second for each fetch: ${surplus} bytes are on the disk and not recorded`);
  expect(surplus).toBeGreaterThanOrEqual(0);
  // Two requests overlap where one goes on from another. A busy machine lets commits come late.
  expect(surplus).toBeLessThan(4 * rate);
});
