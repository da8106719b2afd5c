import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { Agent, type Dispatcher } from 'undici';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Description } from '#seekwell/core/validator';
import type { SeekwellError } from '#seekwell/errors';
import type { OriginAnswer, OriginBody, OriginRequest } from '#seekwell/origin/origin-client';
import { UndiciOriginClient } from '#seekwell/origin/undici-origin-client';
import { ManualClock } from '../support/manual-clock.ts';
import { closeOrigins, macrotask, serve, serveRange, writeEndlessly } from './bare-origin.ts';
import { readAll } from './recording-sink.ts';

const CONTENT = Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 251));
const ETAG = '"v1"';

let client: UndiciOriginClient;

beforeEach(() => {
  for (const name of ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY', 'no_proxy', 'NO_PROXY']) vi.stubEnv(name, '');
  client = new UndiciOriginClient();
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await client.close();
  await closeOrigins();
});

function ask(url: string, more: Partial<OriginRequest> & { headers?: Record<string, string> } = {}): OriginRequest {
  const { headers = {}, range = { kind: 'from', start: 0, end: null }, expected = null, ...rest } = more;
  return { location: { url, headers }, range, expected, ...rest };
}

function version(etag: string | null, total: number | null, lastModified: string | null = null): Description {
  return { validator: { etag, lastModified }, total, mimeType: null };
}

function bodyOf(answer: OriginAnswer): OriginBody {
  if (answer.kind !== 'bytes') throw new Error(`it was ${answer.kind}`);
  return answer.body;
}

function errorOf(answer: OriginAnswer): SeekwellError {
  if (!('error' in answer)) throw new Error(`it was ${answer.kind}`);
  return answer.error;
}

describe('a request', () => {
  it('gets the bytes that it asks for', async () => {
    const origin = await serve(serveRange(CONTENT, { etag: ETAG, 'content-type': 'video/mp4' }));
    const answer = await client.open(ask(origin.url(), { range: { kind: 'from', start: 100, end: 299 } }));
    expect(answer).toMatchObject({
      kind: 'bytes',
      start: 100,
      end: 299,
      description: { total: 1000, mimeType: 'video/mp4', validator: { etag: ETAG } },
    });
    expect(await readAll(bodyOf(answer))).toEqual({ content: CONTENT.subarray(100, 300), error: null });
    expect(origin.lastHeader('range')).toBe('bytes=100-299');
    expect(origin.lastHeader('if-range')).toBeUndefined();
  });

  it.each<[string, OriginRequest['range'], number]>([
    ['bytes=990-', { kind: 'from', start: 990, end: null }, 990],
    ['bytes=-7', { kind: 'suffix', length: 7 }, 993],
  ])('asks for %s', async (header, range, start) => {
    const origin = await serve(serveRange(CONTENT));
    const answer = await client.open(ask(origin.url(), { range }));
    expect(origin.lastHeader('range')).toBe(header);
    expect(answer).toMatchObject({ kind: 'bytes', start, end: 999 });
    expect((await readAll(bodyOf(answer))).content).toEqual(CONTENT.subarray(start));
  });

  it('without a range sends neither Range nor If-Range', async () => {
    const origin = await serve(serveRange(CONTENT));
    const answer = await client.open(ask(origin.url(), { range: null, expected: version(ETAG, 1000) }));
    expect(answer).toMatchObject({ kind: 'bytes', start: 0, end: 999, rangesRefused: false });
    expect(origin.lastHeader('range')).toBeUndefined();
    expect(origin.lastHeader('if-range')).toBeUndefined();
    expect((await readAll(bodyOf(answer))).content).toEqual(CONTENT);
  });

  it.each<[string | undefined, Description]>([
    [ETAG, version(ETAG, 1000, 'Wed, 01 Jan 2025 00:00:00 GMT')],
    ['Wed, 01 Jan 2025 00:00:00 GMT', version(null, 1000, 'Wed, 01 Jan 2025 00:00:00 GMT')],
    [undefined, version(null, 1000)],
  ])('sends If-Range: %s', async (header, expected) => {
    const origin = await serve(serveRange(CONTENT));
    const answer = await client.open(ask(origin.url(), { expected }));
    expect(origin.lastHeader('if-range')).toBe(header);
    bodyOf(answer).abort();
  });

  it('names itself, asks for no encoding and keeps path and query', async () => {
    const origin = await serve(serveRange(CONTENT));
    await readAll(bodyOf(await client.open(ask(origin.url('/a%20b/c?sig=x%2Fy&t=1#part')))));
    expect(origin.requests[0]?.url).toBe('/a%20b/c?sig=x%2Fy&t=1');
    expect(origin.lastHeader('user-agent')).toMatch(/^seekwell\/\d+\.\d+\.\d+/);
    expect(origin.lastHeader('accept-encoding')).toBe('identity');
  });

  it('sends the headers of its location, its own ones excepted', async () => {
    const origin = await serve(serveRange(CONTENT));
    const headers = { 'User-Agent': 'player/1', 'X-Token': 't', Cookie: 'sid=1', Range: 'bytes=5-6', 'Accept-Encoding': 'br' };
    await readAll(bodyOf(await client.open(ask(origin.url(), { headers }))));
    expect(origin.requests[0]?.headers).toMatchObject({
      'user-agent': 'player/1',
      'x-token': 't',
      cookie: 'sid=1',
      range: 'bytes=0-',
      'accept-encoding': 'identity',
    });
  });

  it('turns user and password of the URL into Authorization', async () => {
    const origin = await serve(serveRange(CONTENT));
    await readAll(bodyOf(await client.open(ask(`http://u:p%20w@${origin.host}/f`))));
    expect(origin.lastHeader('authorization')).toBe(`Basic ${Buffer.from('u:p w').toString('base64')}`);
  });

  it.each([
    ['BAD_URL', 'ftp://u:s3cret@example.com/', {}],
    ['BAD_OPTION', 'http://example.com/', { 'x-a': 's3cret\n' }],
  ])('that cannot be sent is refused with %s', async (code, url, headers) => {
    const answer = await client.open(ask(url, { headers: headers as Record<string, string> }));
    expect(answer).toMatchObject({ kind: 'refused', status: null, error: { code } });
    expect(errorOf(answer).message).not.toContain('s3cret');
  });

  it('waits for the answer that follows an announcement', async () => {
    const origin = await serve((request, response) => {
      response.writeEarlyHints({ link: '</style.css>; rel=preload' });
      serveRange(CONTENT)(request, response);
    });
    expect((await readAll(bodyOf(await client.open(ask(origin.url()))))).content).toEqual(CONTENT);
  });
});

describe('an answer', () => {
  it('of the whole resource to a range starts at 0', async () => {
    const origin = await serve((_request, response) => response.writeHead(200, { 'content-length': 1000, etag: ETAG }).end(CONTENT));
    const answer = await client.open(ask(origin.url(), { range: { kind: 'from', start: 500, end: null }, expected: version(ETAG, 1000) }));
    expect(answer).toMatchObject({ kind: 'bytes', start: 0, end: 999, rangesRefused: true });
    expect((await readAll(bodyOf(answer))).content).toEqual(CONTENT);
  });

  it('of another version is told', async () => {
    const origin = await serve((_request, response) => response.writeHead(200, { 'content-length': 1000, etag: '"v2"' }).end(CONTENT));
    expect(await client.open(ask(origin.url(), { expected: version(ETAG, 1000) }))).toEqual({ kind: 'changed' });
  });

  it('beyond the end is told', async () => {
    const origin = await serve(serveRange(CONTENT));
    expect(await client.open(ask(origin.url(), { range: { kind: 'from', start: 1000, end: null } }))).toEqual({
      kind: 'unsatisfiable',
      total: 1000,
    });
  });

  it('of an empty resource is told', async () => {
    const origin = await serve(serveRange(Buffer.alloc(0)));
    expect(await client.open(ask(origin.url()))).toMatchObject({ kind: 'empty', description: { total: 0 } });
  });

  it('of a missing resource shows no query', async () => {
    const origin = await serve((_request, response) => response.writeHead(404, 's3cret').end('s3cret'));
    const answer = await client.open(ask(origin.url('/f?sig=s3cret')));
    expect(answer).toMatchObject({
      kind: 'refused',
      status: 404,
      error: { code: 'ORIGIN_MISSING', message: 'the origin answered 404 Not Found' },
    });
  });

  it('of a busy origin says when', async () => {
    const clock = new ManualClock(Date.UTC(2026, 0, 1));
    const busy = await serve((_request, response) => {
      response.writeHead(503, { 'retry-after': 'Thu, 01 Jan 2026 00:00:30 GMT' }).end();
    });
    const own = new UndiciOriginClient({ clock });
    const answer = await own.open(ask(busy.url()));
    await own.close();
    expect(answer).toMatchObject({ kind: 'transient', retryAfterMs: 30_000, error: { code: 'ORIGIN_UNREACHABLE', retryAfter: 30 } });
  });

  it('with encoded bytes is told, with its body for who wants it', async () => {
    const origin = await serve((_request, response) => {
      response
        .writeHead(200, { 'content-encoding': 'gzip', 'content-length': 4, 'content-type': 'video/mp4', 'set-cookie': 'a=b' })
        .end('zzzz');
    });
    expect(await client.open(ask(origin.url()))).toEqual({ kind: 'encoded', encoding: 'gzip' });
    const answer = await client.open(ask(origin.url(), { relayEncoded: true }));
    if (answer.kind !== 'encoded' || answer.relay === undefined) throw new Error('there is no relay');
    expect(answer.relay).toMatchObject({
      status: 200,
      headers: { 'content-encoding': 'gzip', 'content-length': '4', 'content-type': 'video/mp4' },
    });
    expect(answer.relay.headers).not.toHaveProperty('set-cookie');
    expect(await readAll(answer.relay.body)).toEqual({ content: Buffer.from('zzzz'), error: null });
  });
});

describe('a redirect', () => {
  const SECRETS = { Authorization: 'Bearer s3cret', Cookie: 'sid=s3cret', 'X-Api-Key': 's3cret' };

  it.each([301, 302, 303, 307, 308])('%i is followed, with everything within an origin', async (status) => {
    const origin = await serve((request, response) => {
      if (request.url === '/film.mkv') response.writeHead(status, { location: 'moved?x=1' }).end('moved');
      else serveRange(CONTENT)(request, response);
    });
    const answer = await client.open(
      ask(origin.url(), { range: { kind: 'from', start: 10, end: 19 }, expected: version(ETAG, 1000), headers: SECRETS }),
    );
    expect((await readAll(bodyOf(answer))).content).toEqual(CONTENT.subarray(10, 20));
    expect(origin.requests[1]).toMatchObject({
      method: 'GET',
      url: '/moved?x=1',
      headers: { range: 'bytes=10-19', 'if-range': ETAG, authorization: 'Bearer s3cret', cookie: 'sid=s3cret', 'x-api-key': 's3cret' },
    });
    // The small body of the redirect was read, so that its connection could be used again.
    expect(origin.sockets).toHaveLength(1);
  });

  it('to another origin and back takes no credentials along', async () => {
    const first = await serve((request, response) => {
      if (request.url === '/film.mkv') response.writeHead(302, { location: second.url('/hop') }).end();
      else serveRange(CONTENT)(request, response);
    });
    const second = await serve((_request, response) => response.writeHead(302, { location: first.url('/back') }).end());
    const answer = await client.open(ask(`http://u:p@${first.host}/film.mkv`, { headers: { ...SECRETS, 'User-Agent': 'player/1' } }));
    expect((await readAll(bodyOf(answer))).content).toEqual(CONTENT);
    expect(first.requests[0]?.headers).toMatchObject({ authorization: 'Bearer s3cret', cookie: 'sid=s3cret', 'x-api-key': 's3cret' });
    for (const request of [second.requests[0], first.requests[1]]) {
      expect(request?.headers['user-agent']).toBe('player/1');
      expect(JSON.stringify(request?.rawHeaders)).not.toMatch(/s3cret|Basic/);
    }
    expect(second.requests).toHaveLength(1);
  });

  it('is followed ten times, not eleven', async () => {
    const origin = await serve((request, response) => {
      const left = Number(request.url?.slice(1));
      if (left === 0) serveRange(CONTENT)(request, response);
      else response.writeHead(302, { location: `/${left - 1}` }).end();
    });
    const answer = await client.open(ask(origin.url('/10')));
    expect((await readAll(bodyOf(answer))).content).toEqual(CONTENT);
    const count = origin.requests.length;
    expect(errorOf(await client.open(ask(origin.url('/11'))))).toMatchObject({ code: 'ORIGIN_WRONG' });
    expect(origin.requests.length - count).toBe(11);
  });

  it.each([[undefined], ['ftp://example.com/'], ['http://']])('to %j is wrong', async (location) => {
    const origin = await serve((_request, response) => response.writeHead(302, location === undefined ? {} : { location }).end());
    expect(errorOf(await client.open(ask(origin.url()))).code).toBe('ORIGIN_WRONG');
  });

  it('is not remembered', async () => {
    const origin = await serve((request, response) => {
      if (request.url === '/film.mkv') response.writeHead(301, { location: '/moved' }).end();
      else serveRange(CONTENT)(request, response);
    });
    await readAll(bodyOf(await client.open(ask(origin.url()))));
    await readAll(bodyOf(await client.open(ask(origin.url()))));
    expect(origin.requests.map((request) => request.url)).toEqual(['/film.mkv', '/moved', '/film.mkv', '/moved']);
  });
});

describe('a failure of the network', () => {
  async function closedPort(): Promise<number> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    return port;
  }

  it('to connect names the host and the reason, and no secret', async () => {
    const port = await closedPort();
    const error = errorOf(await client.open(ask(`http://u:s3cret@127.0.0.1:${port}/f?sig=s3cret`)));
    expect(error.code).toBe('ORIGIN_UNREACHABLE');
    expect(error.message).toBe(`127.0.0.1:${port} cannot be reached: it refuses the connection (ECONNREFUSED)`);
  });

  it('to find the name is told', async () => {
    const error = errorOf(await client.open(ask('http://nowhere.invalid/f?sig=s3cret')));
    expect(error.code).toBe('ORIGIN_UNREACHABLE');
    expect(error.message).toMatch(/^nowhere\.invalid cannot be reached: .*name/);
  });

  it('to speak TLS is told', async () => {
    const origin = await serve(serveRange(CONTENT));
    const error = errorOf(await client.open(ask(`https://${origin.host}/f`)));
    expect(error).toMatchObject({ code: 'ORIGIN_UNREACHABLE' });
    expect(error.message).toContain('TLS failed');
  });

  it('to speak HTTP is told without the bytes that came', async () => {
    const server = createServer((socket) => socket.end('SSH-2.0-s3cret\r\n')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const error = errorOf(await client.open(ask(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)));
    server.close();
    expect(error.code).toBe('ORIGIN_WRONG');
    expect(JSON.stringify([error.message, error.cause ?? null])).not.toContain('s3cret');
  });

  it('of a fresh connection is not tried again', async () => {
    const origin = await serve((request) => request.socket.end());
    expect(errorOf(await client.open(ask(origin.url()))).code).toBe('ORIGIN_UNREACHABLE');
    expect(origin.requests).toHaveLength(1);
  });

  it('of a connection that had lain idle is tried once more', async () => {
    const origin = await serve((request, response) => {
      // The second request finds its connection closed, as when the server's idle timeout crosses it on the way.
      if (origin.requests.length === 2) request.socket.end();
      else serveRange(CONTENT)(request, response);
    });
    await readAll(bodyOf(await client.open(ask(origin.url()))));
    expect((await readAll(bodyOf(await client.open(ask(origin.url()))))).content).toEqual(CONTENT);
    expect(origin.requests).toHaveLength(3);
    expect(origin.sockets).toHaveLength(2);
  });

  it('of an origin that always hangs up ends after two tries', async () => {
    const origin = await serve((request) => request.socket.resetAndDestroy());
    expect(errorOf(await client.open(ask(origin.url()))).code).toBe('ORIGIN_UNREACHABLE');
    expect(origin.requests.length).toBeLessThanOrEqual(2);
  });
});

describe('time', () => {
  it('runs out when no headers come for 15 s', async () => {
    const clock = new ManualClock();
    const origin = await serve(() => clock.advance(14_999));
    const own = new UndiciOriginClient({ clock });
    let settled = false;
    const opening = own.open(ask(origin.url('/f?sig=s3cret'))).finally(() => {
      settled = true;
    });
    await origin.asked(1);
    const closed = origin.socket(0).gone;
    await macrotask();
    expect(settled).toBe(false);
    clock.advance(1);
    const error = errorOf(await opening);
    expect(error).toMatchObject({ code: 'ORIGIN_TIMEOUT', message: `${origin.host} did not answer within 15 s` });
    await closed;
    expect(clock.timers).toBe(0);
    await own.close();
  });

  it('runs out when no connection comes about for 10 s', async () => {
    const clock = new ManualClock();
    let handler: Dispatcher.DispatchHandler = {};
    // A dispatcher whose connections never come about: no host to wait for in vain is at hand everywhere.
    const dispatcher = {
      dispatch: (_options: Dispatcher.DispatchOptions, given: Dispatcher.DispatchHandler) => {
        handler = given;
        return true;
      },
    };
    const own = new UndiciOriginClient({ clock, dispatcher });
    const opening = own.open(ask('http://example.com/f?sig=s3cret'));
    clock.advance(9_999);
    await macrotask();
    expect(await Promise.race([opening, 'pending'])).toBe('pending');
    clock.advance(1);
    expect(errorOf(await opening)).toMatchObject({
      code: 'ORIGIN_UNREACHABLE',
      message: 'example.com cannot be reached: no connection within 10 s',
    });
    // The connection comes too late: the request must not be sent any more.
    const abort = vi.fn();
    handler.onRequestStart?.({ abort } as unknown as Dispatcher.DispatchController, {});
    expect(abort).toHaveBeenCalledOnce();
    expect(clock.timers).toBe(0);
  });

  it('is not spent by an answer that came', async () => {
    const clock = new ManualClock();
    const origin = await serve(serveRange(CONTENT));
    const own = new UndiciOriginClient({ clock });
    const answer = await own.open(ask(origin.url()));
    clock.advance(100_000);
    expect((await readAll(bodyOf(answer))).error).toBeNull();
    expect(clock.timers).toBe(0);
    await own.close();
  });
});

describe('giving up', () => {
  it('before the request sends nothing', async () => {
    const dispatch = vi.fn();
    const own = new UndiciOriginClient({ dispatcher: { dispatch } });
    const answer = await own.open(ask('http://example.com/'), AbortSignal.abort());
    expect(answer).toMatchObject({ kind: 'transient', error: { code: 'CLOSED' }, retryAfterMs: null });
    expect(dispatch).not.toHaveBeenCalled();
  });

  it('between two redirects sends nothing more', async () => {
    const giveUp = new AbortController();
    const controller = { abort: () => {}, pause: () => {}, resume: () => {} } as unknown as Dispatcher.DispatchController;
    const dispatch = vi.fn((_options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler) => {
      handler.onRequestStart?.(controller, {});
      handler.onResponseStart?.(controller, 302, { location: '/next', 'content-length': '0' });
      handler.onResponseEnd?.(controller, {});
      // Comes when this answer has been read and before the next request.
      setImmediate(() => giveUp.abort());
      return true;
    });
    const own = new UndiciOriginClient({ dispatcher: { dispatch } });
    expect(errorOf(await own.open(ask('http://example.com/'), giveUp.signal)).code).toBe('CLOSED');
    expect(dispatch).toHaveBeenCalledOnce();
  });

  it('while the origin thinks closes the connection', async () => {
    const origin = await serve(() => {});
    const giveUp = new AbortController();
    const opening = client.open(ask(origin.url()), giveUp.signal);
    await origin.asked(1);
    const closed = origin.socket(0).gone;
    giveUp.abort();
    expect(errorOf(await opening).code).toBe('CLOSED');
    await closed;
  });

  it('during a redirect does not follow it', async () => {
    const giveUp = new AbortController();
    const origin = await serve((_request, response) => {
      giveUp.abort();
      response.writeHead(302, { location: '/next' }).end();
    });
    expect(errorOf(await client.open(ask(origin.url()), giveUp.signal)).code).toBe('CLOSED');
    expect(origin.requests).toHaveLength(1);
  });

  it('after the answer changes nothing', async () => {
    const origin = await serve(serveRange(CONTENT));
    const giveUp = new AbortController();
    const answer = await client.open(ask(origin.url()), giveUp.signal);
    giveUp.abort();
    expect((await readAll(bodyOf(answer))).content).toEqual(CONTENT);
  });
});

describe('connections', () => {
  it('are used again', async () => {
    const origin = await serve(serveRange(CONTENT));
    for (let i = 0; i < 5; i += 1) await readAll(bodyOf(await client.open(ask(origin.url()))));
    expect(origin.sockets).toHaveLength(1);
  });

  it('are used again after an unwanted answer with a small body', async () => {
    const origin = await serve((request, response) => {
      if (request.url === '/missing') response.writeHead(404).end(Buffer.alloc(20_000));
      else serveRange(CONTENT)(request, response);
    });
    await client.open(ask(origin.url('/missing')));
    // The next request would open a connection of its own while the body is still on its way.
    await origin.finished(1);
    await macrotask();
    await readAll(bodyOf(await client.open(ask(origin.url()))));
    expect(origin.sockets).toHaveLength(1);
  });

  it.each([
    ['that tells its length', { 'content-length': String(50 << 20) }],
    ['that does not', {}],
  ])('are closed on an unwanted large body %s', async (_, headers) => {
    const origin = await serve((_request, response) => {
      response.writeHead(500, headers);
      writeEndlessly(response);
    });
    const answer = await client.open(ask(origin.url()));
    expect(answer.kind).toBe('transient');
    await origin.socket(0).gone;
    expect(origin.requests).toHaveLength(1);
  });

  it('are closed at once on an unwanted body that will be large', async () => {
    const origin = await serve((_request, response) => {
      response.writeHead(500, { 'content-length': 64 * 1024 + 1 });
      response.flushHeaders();
    });
    // Its clock stands still: nothing but the length can end the wait for bytes that do not come.
    const own = new UndiciOriginClient({ clock: new ManualClock() });
    await own.open(ask(origin.url()));
    await origin.socket(0).gone;
    await own.close();
  });

  it('are closed on an unwanted body that does not end', async () => {
    const clock = new ManualClock();
    const origin = await serve((_request, response) => {
      response.writeHead(500);
      response.write('still looking into it');
    });
    const own = new UndiciOriginClient({ clock });
    await own.open(ask(origin.url()));
    const closed = origin.socket(0).gone;
    clock.advance(2000);
    await closed;
    await own.close();
  });

  it('are not opened for a request that was given up', async () => {
    const origin = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': 50 << 20 });
      writeEndlessly(response);
    });
    const answer = await client.open(ask(origin.url()));
    const closed = origin.socket(0).gone;
    bodyOf(answer).abort();
    await closed;
    // A request with a connection of its own goes all the way after whatever the abort set off.
    const other = new UndiciOriginClient();
    bodyOf(await other.open(ask(origin.url()))).abort();
    await other.close();
    expect(origin.sockets).toHaveLength(2);
  });

  it('stay when another transfer of the same origin was given up', async () => {
    const origin = await serve((request, response) => {
      if (request.url === '/endless') writeEndlessly(response.writeHead(200, { 'content-length': 50 << 20 }));
      else serveRange(CONTENT)(request, response);
    });
    // A seek: the transfer under way ends, the next begins at once.
    bodyOf(await client.open(ask(origin.url('/endless')))).abort();
    for (let i = 0; i < 3; i += 1) await readAll(bodyOf(await client.open(ask(origin.url()))));
    expect(origin.sockets).toHaveLength(2);
  });
});

describe('closing', () => {
  it('ends what is under way and whatever comes afterwards', async () => {
    const origin = await serve((request, response) => {
      if (request.url === '/body') response.writeHead(200, { 'content-length': 10 }).write('12345');
    });
    const waiting = client.open(ask(origin.url('/wait')));
    const answer = await client.open(ask(origin.url('/body')));
    const unstarted = await client.open(ask(origin.url('/body')));
    const reading = readAll(bodyOf(answer));
    await origin.asked(3);
    await client.close();
    expect(errorOf(await waiting).code).toBe('CLOSED');
    expect((await reading).error?.code).toBe('CLOSED');
    expect((await readAll(bodyOf(unstarted))).error?.code).toBe('CLOSED');
    expect(errorOf(await client.open(ask(origin.url('/body')))).code).toBe('CLOSED');
    expect(origin.requests).toHaveLength(3);
  });

  it('ends what is under way over a dispatcher that was given', async () => {
    const origin = await serve((_request, response) => response.writeHead(200, { 'content-length': 10 }).write('12345'));
    const dispatcher = new Agent();
    const own = new UndiciOriginClient({ dispatcher });
    const reading = readAll(bodyOf(await own.open(ask(origin.url()))));
    await own.close();
    expect((await reading).error?.code).toBe('CLOSED');
    await origin.socket(0).gone;
    await dispatcher.destroy();
  });

  it('leaves a dispatcher that was given open', async () => {
    const origin = await serve(serveRange(CONTENT));
    const dispatcher = new Agent();
    const first = new UndiciOriginClient({ dispatcher });
    await readAll(bodyOf(await first.open(ask(origin.url()))));
    await first.close();
    const second = new UndiciOriginClient({ dispatcher });
    expect((await readAll(bodyOf(await second.open(ask(origin.url()))))).content).toEqual(CONTENT);
    await dispatcher.destroy();
  });
});

describe('a proxy', () => {
  it('of the environment carries plain requests without a tunnel', async () => {
    const origin = await serve(serveRange(CONTENT));
    const proxy = await serve((request, response) => {
      const { method, headers } = request;
      httpRequest(request.url ?? '', { method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      }).end();
    });
    vi.stubEnv('http_proxy', `http://${proxy.host}`);
    const own = new UndiciOriginClient();
    const answer = await own.open(ask(origin.url('/f?x=1'), { range: { kind: 'from', start: 5, end: null } }));
    expect((await readAll(bodyOf(answer))).content).toEqual(CONTENT.subarray(5));
    expect(proxy.requests.map((request) => request.url)).toEqual([origin.url('/f?x=1')]);
    expect(origin.requests[0]?.headers.host).toBe(origin.host);
    await own.close();
  });

  it('is left out where the environment says so', async () => {
    const origin = await serve(serveRange(CONTENT));
    vi.stubEnv('HTTP_PROXY', 'http://127.0.0.1:1');
    vi.stubEnv('NO_PROXY', '127.0.0.1');
    const own = new UndiciOriginClient();
    expect((await readAll(bodyOf(await own.open(ask(origin.url()))))).content).toEqual(CONTENT);
    await own.close();
  });
});
