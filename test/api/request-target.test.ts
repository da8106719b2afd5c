import { expect, test } from 'vitest';
import { RawClient } from '../support/raw-client.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import { apiServer } from './api-server.ts';

async function scene() {
  const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: 10_000 });
  const { cache, url } = await apiServer();
  const { key } = await cache.add({ url: film.url });
  const path = `/stream/${key.sourceId}/${key.mediaId}/${key.quality}`;
  const client = await RawClient.connect(url);
  const ask = async (target: string, ...hosts: string[]): Promise<number> => {
    client.send([`GET ${target} HTTP/1.1`, ...hosts.map((host) => `Host: ${host}`), 'Range: bytes=0-99', '', ''].join('\r\n'));
    return (await client.answer()).status;
  };
  return { host: new URL(url).host, path, ask };
}

test('a target in absolute form is that path, of the host it names', async () => {
  const { host, path, ask } = await scene();
  expect(await ask(`http://${host}${path}`, host)).toBe(206);
  expect(await ask(`http://${host}/api/v1/entries?limit=1`, host)).toBe(200);
  // The Host field does not count then (RFC 9112, section 3.2.2).
  expect(await ask(`http://films.example${path}`, host)).toBe(421);
  expect(await ask(`http://${host}${path}`, 'films.example')).toBe(206);
});

test('two Host fields are refused', async () => {
  const { host, path, ask } = await scene();
  expect(await ask(path, host, host)).toBe(400);
});
