import { once } from 'node:events';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { CacheServer } from '../support/cache-server.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import { afterThisTest, temporaryFolder } from '../support/temp-folder.ts';

const MIB = 1024 * 1024;

test('a client whose connection is gone in the moment of a write leaves no stream behind', async () => {
  const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: 4 * MIB });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), fill: 'never' });
  const url = await server.streamOf(film.url);
  const { pathname: path } = new URL(url);
  // What is cached is read without a wait: nothing but the write can tell that the client is gone.
  await (await fetch(url)).arrayBuffer();
  await eventually('the film is recorded', async () => (await server.cache.infoOf(1)).downloadedBytes > 3 * MIB);
  const dying = createServer();
  const handled = new Promise<void>((resolve) => {
    dying.on('request', (request, response) => {
      const write = response.write.bind(response) as (...args: unknown[]) => boolean;
      response.write = (...args: unknown[]) => {
        response.socket?.destroy();
        return write(...args);
      };
      resolve(server.proxy.handle(request, response));
    });
  });
  dying.listen(0, '127.0.0.1');
  await once(dying, 'listening');
  afterThisTest(() => dying.close());
  get({ port: (dying.address() as AddressInfo).port, path }).on('error', () => {});
  await handled;
  expect(server.proxy.openStreams).toBe(0);
  await eventually('what it wanted is given back', () => server.cache.activeFetches === 0);
});
