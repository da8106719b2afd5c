import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { PlainConnections, type PlainParts } from '#seekwell/proxy/plain-connections';
import { ManualClock } from '../support/manual-clock.ts';
import { RawClient } from '../support/raw-client.ts';
import { afterThisTest } from '../support/temp-folder.ts';

const KIB = 1024;

interface Scene {
  readonly plain: PlainConnections;
  /** The server's ends of the connections. */
  readonly sockets: readonly Socket[];
  /** URLs that were answered on their sockets. */
  readonly answered: readonly string[];
  client(): Promise<RawClient>;
}

/** A server that answers plain requests by `plain URL`, and others by `node METHOD URL` and the body it got. */
async function scene(parts: Partial<PlainParts> = {}): Promise<Scene> {
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => response.end(Buffer.concat([Buffer.from(`node ${request.method} ${request.url} `), ...pieces])));
  });
  const answered: string[] = [];
  const plain = new PlainConnections(server, {
    clock: new ManualClock(),
    keepAliveMs: 30_000,
    sender: null,
    accepts: () => true,
    answer: async ({ url }, outlet) => {
      answered.push(url);
      const text = `plain ${url}`;
      outlet.begin(200, { 'content-length': String(text.length) });
      outlet.end(text);
    },
    ...parts,
  });
  const sockets: Socket[] = [];
  server.on('connection', (socket) => sockets.push(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  afterThisTest(() => {
    plain.closeAll();
    server.closeAllConnections();
    server.close();
  });
  return { plain, sockets, answered, client: () => RawClient.connect(url) };
}

/** An answer that waits until it is told to go on. */
function heldAnswer(): { readonly asked: Promise<Socket>; go(): void; readonly answer: PlainParts['answer'] } {
  let [tell, go] = [(_socket: Socket): void => undefined, (): void => undefined];
  const asked = new Promise<Socket>((resolve) => (tell = resolve));
  const going = new Promise<void>((resolve) => (go = resolve));
  const answer: PlainParts['answer'] = async ({ url }, outlet, socket) => {
    tell(socket);
    await going;
    const text = `plain ${url}`;
    outlet.begin(200, { 'content-length': String(text.length) });
    outlet.end(text);
  };
  return { asked, go: () => go(), answer };
}

/** Waits for what this process's own sockets do, from one turn of the event loop to the next. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

async function textOf(client: RawClient): Promise<string> {
  return (await client.answer()).body.toString('latin1');
}

const GET = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
const POST = (path: string, body: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n`), body]);

/** Every byte there is, many times over. */
function allBytes(length: number): Buffer {
  return Buffer.alloc(length).map((_, i) => (i * 31 + (i >>> 8)) & 0xff) as Buffer;
}

describe('a connection', () => {
  test('is kept over several requests', async () => {
    const { client, answered, sockets } = await scene();
    const player = await client();
    for (let i = 0; i < 5; i++) {
      player.send(GET(`/stream/${i}`));
      expect(await textOf(player)).toBe(`plain /stream/${i}`);
    }
    expect([answered.length, sockets.length]).toEqual([5, 1]);
  });

  test('whose requests come in one piece is for node:http, in their order', async () => {
    const { client, answered } = await scene();
    const player = await client();
    player.send(GET('/stream/1') + GET('/stream/2') + GET('/stream/3'));
    expect([await textOf(player), await textOf(player), await textOf(player)]).toEqual([1, 2, 3].map((i) => `node GET /stream/${i} `));
    expect(answered).toEqual([]);
  });

  test('a request that comes while one is answered is answered next', async () => {
    const held = heldAnswer();
    const { client } = await scene({ answer: held.answer });
    const player = await client();
    player.send(GET('/stream/1'));
    const socket = await held.asked;
    player.send(GET('/stream/2'));
    await until(() => socket.bytesRead === 2 * GET('/stream/1').length);
    expect(player.unread).toBe(0);
    held.go();
    expect([await textOf(player), await textOf(player)]).toEqual(['plain /stream/1', 'plain /stream/2']);
  });

  test.each([1, 3, 20, GET('/stream/1').length - 1])(
    'a head in two pieces, the first of %i bytes, reaches node:http as it was sent',
    async (length) => {
      const { client, sockets } = await scene();
      const player = await client();
      player.send(GET('/stream/1').slice(0, length));
      await until(() => sockets[0]?.bytesRead === length);
      player.send(GET('/stream/1').slice(length));
      expect(await textOf(player)).toBe('node GET /stream/1 ');
    },
  );

  test('a body reaches node:http as it was sent, with its head or after it', async () => {
    const { client, sockets } = await scene();
    const body = allBytes(300 * KIB);
    const sent = POST('/stream/1', body);
    for (const first of [10, sent.length - body.length, sent.length - body.length + 7, sent.length]) {
      const player = await client();
      player.send(GET('/stream/0'));
      await textOf(player);
      const socket = sockets.at(-1) as Socket;
      const before = socket.bytesRead;
      player.send(sent.subarray(0, first));
      if (first < sent.length) await until(() => socket.bytesRead === before + first);
      player.send(sent.subarray(first));
      const { body: told } = await player.answer();
      expect(told.equals(Buffer.concat([Buffer.from('node POST /stream/1 '), body]))).toBe(true);
    }
  });

  test('once with node:http it stays there', async () => {
    const { client, answered } = await scene();
    const player = await client();
    player.send('HEAD /stream/1 HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect((await player.answer(true)).status).toBe(200);
    player.send(GET('/stream/2'));
    expect(await textOf(player)).toBe('node GET /stream/2 ');
    expect(answered).toEqual([]);
  });

  test('what is not accepted is for node:http', async () => {
    const { client } = await scene({ accepts: ({ url }) => url !== '/stream/2' });
    const player = await client();
    player.send(GET('/stream/1'));
    expect(await textOf(player)).toBe('plain /stream/1');
    player.send(GET('/stream/2'));
    expect(await textOf(player)).toBe('node GET /stream/2 ');
  });

  test('no more is read from a client that sends on and on while it is answered, and nothing of it is lost', async () => {
    const held = heldAnswer();
    const { client } = await scene({ answer: held.answer });
    const player = await client();
    player.send(GET('/stream/1'));
    const socket = await held.asked;
    const body = allBytes(16 * KIB * KIB);
    player.send(POST('/stream/2', body));
    await until(() => socket.isPaused());
    // What was on its way when reading stopped; the system's buffers and this one hold the rest back.
    expect(socket.bytesRead).toBeLessThan(KIB * KIB);
    held.go();
    expect(await textOf(player)).toBe('plain /stream/1');
    const { body: told } = await player.answer();
    expect(told.equals(Buffer.concat([Buffer.from('node POST /stream/2 '), body]))).toBe(true);
  });

  test('an answer that does not become whole ends it', async () => {
    const { client } = await scene({
      answer: async (_request, outlet) => {
        outlet.begin(200, { 'content-length': '10' });
        await new Promise<void>((resolve) => outlet.write(Buffer.alloc(4096, 'x'), 3, () => resolve()));
      },
    });
    const player = await client();
    player.send(GET('/stream/1'));
    expect((await player.untilClosed()).toString('latin1')).toMatch(/\r\n\r\nxxx$/);
  });

  test('a client that leaves while it is answered closes the socket', async () => {
    const held = heldAnswer();
    const { client } = await scene({ answer: held.answer });
    const player = await client();
    player.send(GET('/stream/1'));
    const socket = await held.asked;
    const closed = once(socket, 'close');
    player.socket.destroy();
    await closed;
    held.go();
  });
});

describe('when the server closes', () => {
  test('connections without a request are closed at once, others after their answer, which says so', async () => {
    const held = heldAnswer();
    const { client, plain, sockets } = await scene({ answer: held.answer });
    const [idle, busy] = [await client(), await client()];
    busy.send(GET('/stream/1'));
    await held.asked;
    await until(() => sockets.length === 2);
    plain.close();
    expect(await idle.untilClosed()).toHaveLength(0);
    busy.send(GET('/stream/2'));
    held.go();
    const answer = await busy.answer();
    expect([answer.body.toString(), answer.headers.connection, answer.headers['keep-alive']]).toEqual([
      'plain /stream/1',
      'close',
      undefined,
    ]);
    expect(await busy.untilClosed()).toHaveLength(0);
  });

  test('all of them can be ended', async () => {
    const held = heldAnswer();
    const { client, plain } = await scene({ answer: held.answer });
    const player = await client();
    player.send(GET('/stream/1'));
    await held.asked;
    plain.closeAll();
    expect(await player.untilClosed()).toHaveLength(0);
    held.go();
  });
});
