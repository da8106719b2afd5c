import { expect, test } from 'vitest';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import { apiServer, send } from './api-server.ts';

const TOKEN = 'a-token-of-some-length';

test.each([
  ['127.0.0.1', 200],
  ['127.0.0.1:1234', 200],
  ['192.168.1.5:7335', 200],
  ['[::1]:7335', 200],
  ['localhost', 200],
  ['LOCALHOST:7335', 200],
  ['seekwell.localhost', 200],
  ['media.lan', 200],
  ['Media.lan.:7335', 200],
  ['films.example.com', 200],
  ['evil.example', 421],
  ['localhost.evil.example', 421],
  ['127.0.0.1.evil.example', 421],
  ['media.lan.evil.example', 421],
  ['a@localhost', 421],
])('a request to the host %s gets %i', async (host, status) => {
  const api = await apiServer({ allowedHosts: ['media.lan'], publicUrl: 'https://films.example.com/seekwell/' });
  for (const path of ['/api/v1/entries', '/', '/health/live'])
    expect((await api.call('GET', path, undefined, { host })).status).toBe(status);
  const stream = await api.call('GET', '/stream/a/b/c', undefined, { host });
  expect(stream.json.code).toBe(status === 200 ? 'ENTRY_NOT_FOUND' : 'MISDIRECTED');
});

test('with a token, nothing that tells about the cache is given without it', async () => {
  const api = await apiServer({ token: TOKEN });
  const closed = ['/api/v1/entries', '/api/v1/entries/1', '/api/v1/stats', '/api/v1/events', '/metrics', '/stream/a/b/c', '/elsewhere'];
  const wrong = [
    {},
    { authorization: 'Bearer wrong' },
    { authorization: TOKEN },
    { authorization: `Basic ${TOKEN}` },
    { authorization: 'Bearer' },
  ];
  for (const path of closed) {
    for (const headers of wrong) {
      const answer = await send(api.url + path, { headers });
      expect([path, answer.status, answer.json.code]).toStrictEqual([path, 401, 'UNAUTHORIZED']);
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer /);
      expect(answer.text).not.toContain(TOKEN);
    }
  }
  for (const path of ['/', '/health/live', '/health/ready', '/api/docs', '/api/openapi.json']) {
    expect([path, (await send(api.url + path)).status]).toStrictEqual([path, 200]);
  }
  expect((await api.call('GET', '/api/v1/stats')).status).toBe(200);
  expect((await api.call('GET', '/api/v1/stats', undefined, { authorization: `bearer ${TOKEN}` })).status).toBe(200);
});

test('with a token, stream URLs carry a signature that opens this entry and no other', async () => {
  const api = await apiServer({ token: TOKEN });
  const origin = await ScriptedOrigin.start();
  const first = await api.register(origin.add('/a%20film.mkv', { size: 1000 }).url, { source: 'my films' });
  const second = await api.register(origin.add('/b.mkv', { size: 1000 }).url);
  const url = new URL(first.streamUrl);

  expect(url.search).toMatch(/^\?sig=[\w-]{43}$/);
  expect((await send(first.streamUrl)).status).toBe(200);
  // Players show the file name as the title: it is decoration, and not signed.
  expect((await send(`${api.url}/stream/my%20films/${first.media}/original/another.name${url.search}`)).status).toBe(200);
  expect((await send(`${api.url}/stream/%6dy%20films/${first.media}/original${url.search}&t=1`)).status).toBe(200);
  expect((await send(`${api.url}${url.pathname}`)).status).toBe(401);
  expect((await send(`${api.url}${new URL(second.streamUrl).pathname}${url.search}`)).status).toBe(401);
  expect((await send(`${api.url}${url.pathname}?sig=${'A'.repeat(43)}`)).status).toBe(401);
  expect((await send(`${api.url}/stream/%zz/a/b${url.search}`)).status).toBe(401);
  expect((await send(`${api.url}/api/v1/entries${url.search}`)).status).toBe(401);
  expect((await api.call('GET', url.pathname)).status).toBe(200);
  expect((await api.cache.get(first.id))?.url()).toBe(first.streamUrl);
});

test('the signature depends on the token', async () => {
  const [one, other] = [await apiServer({ token: TOKEN }), await apiServer({ token: `${TOKEN}2` })];
  const signature = (url: string) => new URL(url).searchParams.get('sig');
  const first = await one.register('http://127.0.0.1:1/x');
  const second = await other.register('http://127.0.0.1:1/x');
  expect(first.media).toBe(second.media);
  expect(signature(first.streamUrl)).not.toBe(signature(second.streamUrl));
});

test('pages of other sites change nothing', async () => {
  const api = await apiServer({ publicUrl: 'https://films.example.com' });
  const entry = await api.register('http://127.0.0.1:1/x');
  const changes: [string, string, unknown][] = [
    ['POST', '/api/v1/entries', { url: 'http://127.0.0.1:1/y' }],
    ['POST', `/api/v1/entries/${entry.id}/pin`, undefined],
    ['DELETE', `/api/v1/entries/${entry.id}`, undefined],
  ];
  for (const origin of [
    'https://evil.example',
    'null',
    'http://127.0.0.1:1',
    'http://localhost',
    'https://films.example.com.evil.example',
  ]) {
    for (const [method, path, body] of changes) {
      const answer = await api.call(method, path, body, { origin });
      expect([origin, answer.status, answer.json.code]).toStrictEqual([origin, 403, 'CROSS_ORIGIN']);
    }
  }
  const { json } = await api.call('GET', '/api/v1/entries', undefined, { origin: 'https://evil.example' });
  expect(json.entries).toMatchObject([{ id: entry.id, pinned: false }]);
  for (const origin of [api.url, 'https://films.example.com']) {
    expect((await api.call('POST', `/api/v1/entries/${entry.id}/pin`, undefined, { origin })).status).toBe(200);
  }
});

test('no other site reads an answer', async () => {
  const api = await apiServer();
  await api.register('http://127.0.0.1:1/x');
  for (const path of ['/', '/api/v1/entries', '/api/v1/stats', '/metrics', '/api/v1/entries/99', '/nothing']) {
    const { headers } = await api.call('GET', path, undefined, { origin: 'https://evil.example' });
    expect(headers.get('access-control-allow-origin')).toBeNull();
    expect(headers.get('cross-origin-resource-policy')).toBe('same-origin');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
  }
});
