import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { ERROR_KINDS, SeekwellError } from '#seekwell/errors';
import type { Logger } from '#seekwell/logger';
import { silentLogger } from '#seekwell/logger';
import { type Answer, apiServer } from './api-server.ts';

/** Every refusal is a problem whose parts agree with the table of errors. */
function expectProblem(answer: Answer, code: keyof typeof ERROR_KINDS): void {
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  const { status, title } = ERROR_KINDS[code];
  expect(answer.json).toStrictEqual({
    type: expect.any(String),
    title,
    status,
    detail: expect.any(String),
    code,
    hint: expect.any(String),
  });
  expect(answer.status).toBe(status);
  expect(answer.text).not.toMatch(/\bat .*\.(?:js|ts):\d+/);
}

test('a path that does not exist', async () => {
  const api = await apiServer();
  for (const path of ['/nothing', '/api', '/api/v1', '/api/v1/entries/1/explode', '/stream', '/api/v1/entries/']) {
    expectProblem(await api.call('GET', path), 'NO_SUCH_PATH');
  }
  expectProblem(await api.call('POST', '/api/v1/entries/1/explode'), 'NO_SUCH_PATH');
});

test.each([
  ['PUT', '/api/v1/entries', 'GET, HEAD, POST'],
  ['POST', '/api/v1/entries/1', 'DELETE, GET, HEAD'],
  ['GET', '/api/v1/entries/1/pause', 'POST'],
  ['DELETE', '/api/v1/entries/1/ranges', 'GET, HEAD'],
  ['POST', '/metrics', 'GET, HEAD'],
  ['OPTIONS', '/api/v1/stats', 'GET, HEAD'],
])('%s on %s is not allowed', async (method, path, allow) => {
  const answer = await (await apiServer()).call(method, path);
  expectProblem(answer, 'METHOD_NOT_ALLOWED');
  expect(answer.headers.get('allow')).toBe(allow);
});

test('an entry that does not exist', async () => {
  const api = await apiServer();
  for (const path of ['', '/ranges']) expectProblem(await api.call('GET', `/api/v1/entries/7${path}`), 'ENTRY_NOT_FOUND');
  for (const action of ['pause', 'resume', 'retry', 'prefetch', 'pin', 'unpin']) {
    expectProblem(await api.call('POST', `/api/v1/entries/7/${action}`), 'ENTRY_NOT_FOUND');
  }
  expectProblem(await api.call('DELETE', '/api/v1/entries/7'), 'ENTRY_NOT_FOUND');
});

test.each([
  ['no URL', {}, /^url: /],
  ['a URL that is a number', { url: 5 }, /^url: /],
  ['an empty name', { source: '' }, /^source: /],
  ['a name that a URL cannot hold', { media: '..' }, /^media: /],
  ['half a surrogate', { media: 'a\ud800' }, /^media: /],
  ['a line end in a name', { quality: 'a\nb' }, /^quality: /],
  ['a name without bounds', { source: 'x'.repeat(201) }, /^source: /],
  ['a path as file name', { filename: 'a/b.mkv' }, /^filename: /],
  ['a header with a line end', { headers: { Cookie: 'a\r\nX-Evil: 1' } }, /^headers: /],
  ['a header value that is a number', { headers: { Cookie: 5 } }, /^headers: /],
  ['a header name that HTTP does not allow', { headers: { 'Authorization: Basic c2VjcmV0': 'x' } }, /^headers: /],
  ['too many headers', { headers: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`X-${i}`, ''])) }, /^headers: /],
  ['a range that is none', { prefetch: ['0-99', 'all'] }, /^prefetch/],
  ['a range that ends before it starts', { prefetch: ['10-5'] }, /range/],
  ['no range at all', { prefetch: [] }, /^prefetch/],
  ['a flag that is a text', { pinned: 'yes' }, /^pinned: /],
  ['a field that does not exist', { prefetsch: true }, /prefetsch/],
])('a registration with %s', async (_what, fields, detail) => {
  const api = await apiServer();
  const body = Object.keys(fields).length === 0 ? {} : { url: 'http://127.0.0.1:1/x', ...fields };
  const answer = await api.call('POST', '/api/v1/entries', body);
  expectProblem(answer, 'BAD_REQUEST');
  expect(answer.json.detail).toMatch(detail);
  expect(answer.text).not.toContain('c2VjcmV0');
  expect((await api.call('GET', '/api/v1/entries')).json.entries).toStrictEqual([]);
});

test.each(['film.mkv', 'ftp://user:c2VjcmV0@example.com/a', 'file:///c2VjcmV0', 'http://'])('the URL %s', async (url) => {
  const answer = await (await apiServer()).call('POST', '/api/v1/entries', { url });
  expectProblem(answer, 'BAD_URL');
  expect(answer.text).not.toContain('c2VjcmV0');
});

test('a body that is not JSON is not quoted', async () => {
  const answer = await (await apiServer()).call('POST', '/api/v1/entries', '{"url": c2VjcmV0', { 'content-type': 'application/json' });
  expectProblem(answer, 'BAD_REQUEST');
  expect(answer.text).not.toContain('c2VjcmV0');
});

test('a body that is not marked as JSON', async () => {
  const answer = await (await apiServer()).call('POST', '/api/v1/entries', '{"url": "http://127.0.0.1:1/x"}', {
    'content-type': 'application/x-www-form-urlencoded',
  });
  expectProblem(answer, 'BAD_REQUEST');
  expect(answer.json.hint).toContain('application/json');
});

test.each([
  ['with its length', { 'content-length': String(2 * 1024 * 1024) }],
  ['without it', { 'transfer-encoding': 'chunked' }],
])('a body beyond the limit, %s', async (_what, framing) => {
  const api = await apiServer();
  const { port } = new URL(api.url);
  const socket = connect(Number(port), '127.0.0.1');
  const said = new Promise<string>((resolve) => {
    let text = '';
    socket.setEncoding('utf8').on('data', (part) => {
      text += part;
      if (text.includes('"hint"')) resolve(text);
    });
  });
  // What it writes after the answer may find the connection closed.
  socket.on('error', () => undefined);
  const headers = Object.entries({ host: 'localhost', 'content-type': 'application/json', ...framing });
  socket.write(`POST /api/v1/entries HTTP/1.1\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`);
  const chunk = 'x'.repeat(65_536);
  for (let sent = 0; sent < 32; sent++) socket.write('content-length' in framing ? chunk : `10000\r\n${chunk}\r\n`);
  const answer = await said;
  socket.destroy();
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(answer).toContain('BAD_REQUEST');
});

test.each(['limit=0', 'limit=1001', 'limit=many', 'state=complete', 'sort=size', 'cursor=nonsense'])('a list with %s', async (query) => {
  expectProblem(await (await apiServer()).call('GET', `/api/v1/entries?${query}`), 'BAD_REQUEST');
});

test('an id that is no number', async () => {
  expectProblem(await (await apiServer()).call('GET', '/api/v1/entries/seven'), 'BAD_REQUEST');
});

test('the daemon is not ready when its database does not answer', async () => {
  const api = await apiServer();
  api.cache.statistics = () => Promise.reject(new SeekwellError('DATABASE_UNUSABLE', 'the database is broken', { hint: 'Mend it.' }));
  const answer = await api.call('GET', '/health/ready');
  expectProblem(answer, 'DATABASE_BUSY');
  expect(answer.json.hint).toBe('Mend it.');
  expect(answer.headers.get('retry-after')).toBe('1');
  expect((await api.call('GET', '/health/live')).status).toBe(200);
});

test('what goes wrong unexpectedly is logged, and told without its words', async () => {
  const logged: { fields: object; message: string }[] = [];
  const logger: Logger = { ...silentLogger, error: (fields, message) => logged.push({ fields, message }) };
  const api = await apiServer({ logger });
  api.cache.statistics = () => Promise.reject(new TypeError('cannot read https://user:c2VjcmV0@example.com/film?token=c2VjcmV0'));
  const answer = await api.call('GET', '/api/v1/stats');
  expectProblem(answer, 'INTERNAL');
  expect(answer.text).not.toMatch(/TypeError|example\.com/);
  expect(logged).toHaveLength(1);
  expect(logged[0]?.fields).toMatchObject({ path: '/api/v1/stats', error: expect.stringContaining('https://example.com/film') });
  expect(JSON.stringify(logged)).not.toContain('c2VjcmV0');
});
