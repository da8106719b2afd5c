import { setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { CacheServer } from '../support/cache-server.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import type { ScriptedResource } from '../support/scripted-resource.ts';
import { afterThisTest, temporaryFolder } from '../support/temp-folder.ts';

// Origins that answer, and whose answers help nobody: each is asked now and then, and not as fast as it answers.

const MIB = 1024 * 1024;

/** Plays from the start until the end of the test. */
function play(url: string): void {
  const leave = new AbortController();
  afterThisTest(() => leave.abort());
  const reading = async (): Promise<void> => {
    await (await fetch(url, { signal: leave.signal })).arrayBuffer();
  };
  reading().catch(() => {});
}

/** How many requests come within two seconds; no more are waited for than would be too many. */
async function requestsOf(film: ScriptedResource): Promise<number> {
  const before = film.requests.length;
  await Promise.race([film.waitForRequests(before + 20), setTimeout(2_000)]);
  return film.requests.length - before;
}

test('what is passed through, and breaks off before its first byte', async () => {
  const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: 8 * MIB, fault: { kind: 'short', after: 0 } });
  film.next(1, { fault: { kind: 'short', after: MIB } });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), maxSize: 1, fill: 'never' });
  play(await server.streamOf(film.url));
  await film.waitForRequests(2);
  expect(await requestsOf(film)).toBeLessThan(10);
});

test('a whole body that always breaks off at the same byte', async () => {
  const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: 8 * MIB, ranges: false, fault: { kind: 'short', after: MIB } });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), fill: 'never' });
  play(await server.streamOf(film.url));
  await film.waitForRequests(2);
  expect(await requestsOf(film)).toBeLessThan(10);
});

test('what cannot be kept, asked for ahead of a reader', async () => {
  const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: 32 * MIB });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), connections: 1, chunkSize: MIB });
  const url = await server.streamOf(film.url);
  await (await fetch(url, { headers: { range: 'bytes=0-0' } })).arrayBuffer();
  film.behave({ encoding: 'gzip' });
  play(url);
  await film.changes.until(() => film.requests.some(({ range }) => range !== null));
  expect(await requestsOf(film)).toBeLessThan(15);
});
