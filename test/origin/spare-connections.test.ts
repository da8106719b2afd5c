import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { OriginAnswer, OriginBody, OriginRequest } from '#seekwell/origin/origin-client';
import { UndiciOriginClient } from '#seekwell/origin/undici-origin-client';
import { ManualClock } from '../support/manual-clock.ts';
import { type BareOrigin, closeOrigins, macrotask, type Script, serve, serveRange, writeEndlessly } from './bare-origin.ts';
import { readAll } from './recording-sink.ts';

const CONTENT = Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 251));
/** When the spare connection is opened, after the answer, in milliseconds. */
const SOON = 5;

let clock: ManualClock;
let client: UndiciOriginClient;

beforeEach(() => {
  for (const name of ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY', 'no_proxy', 'NO_PROXY']) vi.stubEnv(name, '');
  clock = new ManualClock();
  client = new UndiciOriginClient({ clock });
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await client.close();
  await closeOrigins();
});

function ask(url: string, spare: OriginRequest['spare'] = () => true): OriginRequest {
  return { location: { url, headers: {} }, range: { kind: 'from', start: 0, end: null }, expected: null, spare };
}

function bodyOf(answer: OriginAnswer): OriginBody {
  if (answer.kind !== 'bytes') throw new Error(`it was ${answer.kind}`);
  return answer.body;
}

/** A film that goes on as long as somebody takes it. */
const film: Script = (_request, response) => {
  response.writeHead(206, { 'content-range': `bytes 0-${(50 << 20) - 1}/${50 << 20}`, 'content-length': 50 << 20 });
  writeEndlessly(response);
};

/** Asks for a film and waits for the spare connection to be there, at both ends. */
async function playing(origin: BareOrigin): Promise<OriginBody> {
  const connections = origin.sockets.length;
  const body = bodyOf(await client.open(ask(origin.url())));
  clock.advance(SOON);
  await origin.connected(connections + 2);
  await macrotask();
  return body;
}

describe('a connection made ready', () => {
  it('takes the request after a seek, and the next one is made ready', async () => {
    const origin = await serve(film);
    const first = await playing(origin);
    first.abort();
    const second = bodyOf(await client.open(ask(origin.url())));
    expect(origin.sockets).toHaveLength(2);
    expect(origin.requests[1]?.socket).toBe(origin.socket(1));
    clock.advance(SOON);
    await origin.connected(3);
    second.abort();
  });

  it('is taken before it is there', async () => {
    const origin = await serve(film);
    const first = bodyOf(await client.open(ask(origin.url())));
    clock.advance(SOON);
    first.abort();
    bodyOf(await client.open(ask(origin.url()))).abort();
    expect(origin.sockets).toHaveLength(2);
  });

  it('takes any request: a server that takes one connection after the other never waits for it', async () => {
    const origin = await serve(film);
    const first = await playing(origin);
    const background = bodyOf(await client.open(ask(origin.url(), null)));
    expect(origin.sockets).toHaveLength(2);
    // Who is to come finds another one.
    clock.advance(SOON);
    await origin.connected(3);
    first.abort();
    background.abort();
  });

  it('is closed when nothing used it for 15 s', async () => {
    const origin = await serve(film);
    const body = await playing(origin);
    clock.advance(14_900);
    expect(origin.socket(1).destroyed).toBe(false);
    clock.advance(100);
    await origin.socket(1).gone;
    body.abort();
  });

  it('is closed with the client', async () => {
    const origin = await serve(film);
    const body = await playing(origin);
    body.abort();
    await client.close();
    await origin.socket(1).gone;
  });

  it('that its server has closed is not used', async () => {
    const origin = await serve(film);
    const body = await playing(origin);
    origin.socket(1).end();
    await origin.socket(1).gone;
    body.abort();
    bodyOf(await client.open(ask(origin.url()))).abort();
    expect(origin.sockets).toHaveLength(3);
  });

  it('on which its server has spoken unasked is not used', async () => {
    const origin = await serve(film);
    const body = await playing(origin);
    origin.socket(1).end('HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n');
    await new Promise((resolve) => origin.socket(1).once('finish', resolve));
    await macrotask();
    body.abort();
    bodyOf(await client.open(ask(origin.url()))).abort();
    expect(origin.sockets).toHaveLength(3);
  });

  it('that its server closes when it is asked is replaced at once', async () => {
    const origin = await serve((request, response) => {
      if (request.socket === origin.sockets[1]) request.socket.end();
      else film(request, response);
    });
    const body = await playing(origin);
    body.abort();
    bodyOf(await client.open(ask(origin.url()))).abort();
    expect(origin.requests).toHaveLength(3);
    expect(origin.sockets).toHaveLength(3);
  });
});

describe('no connection is made ready', () => {
  async function nothingOpens(origin: BareOrigin): Promise<void> {
    clock.advance(SOON);
    // A request to another server goes all the way after whatever began before it.
    const other = await serve(serveRange(CONTENT));
    await readAll(bodyOf(await client.open(ask(other.url(), null))));
    expect(origin.sockets).toHaveLength(origin.requests.length);
  }

  it('for who does not ask for it', async () => {
    const origin = await serve(film);
    const body = bodyOf(await client.open(ask(origin.url(), null)));
    await nothingOpens(origin);
    body.abort();
  });

  it('where there may be none', async () => {
    const origin = await serve(film);
    const body = bodyOf(await client.open(ask(origin.url(), () => false)));
    await nothingOpens(origin);
    body.abort();
  });

  it('where one is idle', async () => {
    const origin = await serve(serveRange(CONTENT));
    await readAll(bodyOf(await client.open(ask(origin.url()))));
    await macrotask();
    await nothingOpens(origin);
  });

  it.each<[string, Script]>([
    ['gives no ranges', (_request, response) => writeEndlessly(response.writeHead(200, { 'content-length': 50 << 20 }))],
    ['keeps no connections', (request, response) => film(request, response.setHeader('connection', 'close'))],
  ])('to a server that %s', async (_, script) => {
    const origin = await serve(script);
    const body = bodyOf(await client.open(ask(origin.url())));
    await nothingOpens(origin);
    body.abort();
  });

  it('to a server that ended one at once, for five minutes', async () => {
    const origin = await serve(film);
    const first = await playing(origin);
    origin.socket(1).end();
    await origin.socket(1).gone;
    await macrotask();
    const second = bodyOf(await client.open(ask(origin.url())));
    clock.advance(SOON);
    const third = bodyOf(await client.open(ask(origin.url())));
    expect(origin.sockets).toHaveLength(4);
    clock.advance(300_000);
    const fourth = bodyOf(await client.open(ask(origin.url())));
    clock.advance(SOON);
    await origin.connected(6);
    for (const body of [first, second, third, fourth]) body.abort();
  });
});
