import { expect, test } from 'vitest';
import { CacheServer } from '../support/cache-server.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import { temporaryFolder } from '../support/temp-folder.ts';

const MIB = 1024 * 1024;

test('what is asked for while the origin is away is fetched when it is back, all of it', async () => {
  const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: 4 * MIB, status: 500 });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), chunkSize: MIB, fill: 'never' });
  const entry = await server.cache.add({ url: film.url });
  await entry.requestPrefetch(null);
  // Whoever asked has given up by then; the first row is tried again.
  await film.waitForRequests(4);
  film.behave({ status: null });
  await eventually('all is there', async () => (await entry.info()).state === 'Complete', 60_000);
}, 90_000);

test('and only the part that was asked for', async () => {
  const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: 8 * MIB, status: 500 });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), chunkSize: MIB, fill: 'never' });
  const entry = await server.cache.add({ url: film.url });
  await entry.requestPrefetch([{ kind: 'suffix', length: MIB }]);
  await film.waitForRequests(4);
  film.behave({ status: null });
  await eventually(
    'it is there',
    async () => {
      const { pendingChunks, state } = await entry.info();
      return state === 'Paused' && pendingChunks === 0 && (await server.cache.spansOf(entry.id)).length === 2;
    },
    60_000,
  );
  expect(await server.cache.spansOf(entry.id)).toEqual([
    { start: 0, end: MIB - 1 },
    { start: 7 * MIB, end: 8 * MIB - 1 },
  ]);
}, 90_000);

test('an origin that breaks off leaves no reader open behind a request', async () => {
  const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: 4 * MIB, fault: { kind: 'short', after: 0 } });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), fill: 'never' });
  await (await server.cache.add({ url: film.url })).requestPrefetch(null);
  await film.waitForRequests(3);
  await eventually('nobody reads', () => server.cache.traffic.openReaders === 0);
});
