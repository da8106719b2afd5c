import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { OriginAnswer, OriginBody, OriginRequest } from '#seekwell/origin/origin-client';
import { UndiciOriginClient } from '#seekwell/origin/undici-origin-client';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { closeOrigins, macrotask, serve, serveRange } from './bare-origin.ts';
import { readAll } from './recording-sink.ts';

const CONTENT = Buffer.alloc(100_000, 7);

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

function ask(url: string, spare = false): OriginRequest {
  return { location: { url, headers: {} }, range: { kind: 'from', start: 0, end: null }, expected: null, spare: spare ? () => true : null };
}

function bodyOf(answer: OriginAnswer): OriginBody {
  if (answer.kind !== 'bytes') throw new Error(`it was ${answer.kind}`);
  return answer.body;
}

it('on a connection that was opened ahead is broken after a second, and none is opened ahead any more', async () => {
  const answer = serveRange(CONTENT);
  const origin = await serve((request, response) => {
    // It accepts a second connection, and does not serve it.
    if (request.socket !== origin.sockets[1]) answer(request, response);
  });
  const first = bodyOf(await client.open(ask(origin.url(), true)));
  clock.advance(5);
  await origin.connected(2);
  await macrotask();
  first.abort();
  const second = client.open(ask(origin.url(), true));
  await origin.asked(2);
  clock.advance(1_000);
  await eventually('the server may notice', () => origin.socket(1).destroyed);
  clock.advance(10);
  const body = bodyOf(await second);
  expect(origin.requests).toHaveLength(3);
  clock.advance(5);
  await macrotask();
  body.abort();
  await readAll(bodyOf(await client.open(ask(origin.url(), true))));
  expect(origin.sockets).toHaveLength(4);
});

it('beside a connection that lies idle is broken: the server may wait for a request on that one', async () => {
  const answer = serveRange(CONTENT);
  const origin = await serve((request, response) => {
    if (request.socket === origin.sockets[0]) answer(request, response);
  });
  const first = client.open(ask(origin.url()));
  const second = client.open(ask(origin.url()));
  await readAll(bodyOf(await first));
  await macrotask();
  clock.advance(1_000);
  await macrotask();
  clock.advance(10);
  expect((await readAll(bodyOf(await second))).content).toEqual(CONTENT);
  expect(origin.sockets).toHaveLength(2);
});

it('of a slow origin is broken once, and then waited for', async () => {
  const origin = await serve((request, response) => {
    if (origin.requests.length === 1) serveRange(CONTENT)(request, response);
  });
  await readAll(bodyOf(await client.open(ask(origin.url()))));
  const busy = [client.open(ask(origin.url())), client.open(ask(origin.url()))];
  await origin.asked(3);
  clock.advance(1_000);
  // Nothing lies idle: nobody is asked again.
  expect(origin.requests).toHaveLength(3);
  serveRange(CONTENT)(origin.requests[1] as never, origin.response(1));
  await readAll(bodyOf((await busy[0]) as OriginAnswer));
  await macrotask();
  clock.advance(1_000);
  await macrotask();
  clock.advance(10);
  await origin.asked(4);
  clock.advance(500);
  serveRange(CONTENT)(origin.requests[3] as never, origin.response(3));
  await readAll(bodyOf((await busy[1]) as OriginAnswer));
  await macrotask();
  const third = [client.open(ask(origin.url())), client.open(ask(origin.url()))];
  await origin.asked(6);
  serveRange(CONTENT)(origin.requests[4] as never, origin.response(4));
  await readAll(bodyOf((await third[0]) as OriginAnswer));
  await macrotask();
  clock.advance(5_000);
  await macrotask();
  expect(origin.requests).toHaveLength(6);
  serveRange(CONTENT)(origin.requests[5] as never, origin.response(5));
  await readAll(bodyOf((await third[1]) as OriginAnswer));
});
