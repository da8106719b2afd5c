import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RangeSpec } from '#seekwell/core/http-range';
import type { Description } from '#seekwell/core/validator';
import type { OriginBody } from '#seekwell/origin/origin-client';
import { UndiciOriginClient } from '#seekwell/origin/undici-origin-client';
import { ManualClock } from '../support/manual-clock.ts';
import { type BareOrigin, closeOrigins, macrotask, serve, serveRange, writeEndlessly } from './bare-origin.ts';
import { RecordingSink, readAll } from './recording-sink.ts';

const MIB = 1 << 20;
const CONTENT = Buffer.from(Array.from({ length: 4 * MIB }, (_, i) => (i * 31 + (i >> 8)) % 251));

let clock: ManualClock;
let client: UndiciOriginClient;

beforeEach(() => {
  clock = new ManualClock();
  client = new UndiciOriginClient({ clock });
});

afterEach(async () => {
  await client.close();
  await closeOrigins();
});

interface Asked {
  path?: string;
  range?: RangeSpec | null;
  expected?: Description | null;
}

async function bodyFrom(
  origin: BareOrigin,
  { path, range = { kind: 'from', start: 0, end: null }, expected = null }: Asked = {},
): Promise<OriginBody> {
  const answer = await client.open({ location: { url: origin.url(path), headers: {} }, range, expected });
  if (answer.kind !== 'bytes') throw new Error(`it was ${answer.kind}`);
  return answer.body;
}

/** A 206 that promises `total` bytes, without the length that would keep Node's server from breaking the promise. */
function promise(response: ServerResponse, total: number, headers: Record<string, string | number> = {}): void {
  response.writeHead(206, { 'content-range': `bytes 0-${total - 1}/${total}`, ...headers });
}

/** Goes back and forth with the server so often that whatever could flow in between has flowed. */
async function quiet(origin: BareOrigin, progress: () => number): Promise<void> {
  const other = new UndiciOriginClient();
  let last = -1;
  for (let still = 0; still < 100; still += 1) {
    const answer = await other.open({ location: { url: origin.url('/ping'), headers: {} }, range: null, expected: null });
    if (answer.kind === 'bytes') await readAll(answer.body);
    if (progress() !== last) still = 0;
    last = progress();
  }
  await other.close();
}

/** Three of six bytes have come, and the sink asked for a pause. */
async function pausedHalfway(): Promise<{ origin: BareOrigin; body: OriginBody; sink: RecordingSink }> {
  const origin = await serve((_request, response) => {
    promise(response, 6, { 'content-length': 6 });
    response.write('123');
  });
  const body = await bodyFrom(origin);
  const sink = new RecordingSink();
  body.start(sink);
  await sink.received(3);
  body.pause();
  return { origin, body, sink };
}

describe('the end of a body', () => {
  it('comes once, after every byte in order', async () => {
    const origin = await serve(serveRange(CONTENT));
    const sink = new RecordingSink();
    (await bodyFrom(origin)).start(sink);
    expect(await sink.ended()).toBeNull();
    expect(sink.content.equals(CONTENT)).toBe(true);
    await quiet(origin, () => sink.ends.length);
    expect(sink.ends).toEqual([null]);
    expect(clock.timers).toBe(0);
  });

  it('comes with the last byte that was promised, though the message does not end', async () => {
    const origin = await serve((_request, response) => {
      promise(response, 5);
      response.write('12345');
    });
    expect(await readAll(await bodyFrom(origin))).toEqual({ content: Buffer.from('12345'), error: null });
    // The connection is not waited for for ever.
    clock.advance(2000);
    await origin.socket(0).gone;
  });

  it('of a body without length comes with the end of the message', async () => {
    const origin = await serve((_request, response) => {
      response.writeHead(200);
      response.write('123');
      response.end('45');
    });
    expect(await readAll(await bodyFrom(origin))).toEqual({ content: Buffer.from('12345'), error: null });
  });

  it('of a body without length comes with the end of the connection', async () => {
    const origin = await serve((request) => request.socket.end('HTTP/1.0 200 OK\r\n\r\n12345'));
    expect(await readAll(await bodyFrom(origin))).toEqual({ content: Buffer.from('12345'), error: null });
  });

  it('keeps a connection whose message ended as promised', async () => {
    const origin = await serve((_request, response) => {
      promise(response, 5);
      response.end('12345');
    });
    for (let i = 0; i < 3; i += 1) {
      await readAll(await bodyFrom(origin));
      await origin.finished(i + 1);
      await macrotask();
    }
    expect(origin.sockets).toHaveLength(1);
  });
});

describe('a body that breaks its promise', () => {
  it.each<[string, string]>([
    [
      'by closing the connection early',
      'HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 0-99/100\r\ncontent-length: 100\r\n\r\n12345',
    ],
    [
      'by closing a connection that was to close',
      'HTTP/1.1 206 Partial Content\r\nconnection: close\r\ncontent-range: bytes 0-99/100\r\ncontent-length: 100\r\n\r\n12345',
    ],
    [
      'by ending its chunks early',
      'HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 0-99/100\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n',
    ],
    [
      'by closing the connection within a chunk',
      'HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 0-99/100\r\ntransfer-encoding: chunked\r\n\r\n64\r\n12345',
    ],
    [
      'by closing a connection that was to close within a chunk',
      'HTTP/1.1 206 Partial Content\r\nconnection: close\r\ncontent-range: bytes 0-99/100\r\ntransfer-encoding: chunked\r\n\r\n64\r\n12345',
    ],
    ['where only the connection tells the end', 'HTTP/1.0 206 Partial Content\r\ncontent-range: bytes 0-99/100\r\n\r\n12345'],
  ])('%s keeps what came', async (_, wire) => {
    const origin = await serve((request) => request.socket.end(wire));
    const { content, error } = await readAll(await bodyFrom(origin));
    expect(content.toString()).toBe('12345');
    expect(error).toMatchObject({ code: 'ORIGIN_UNREACHABLE' });
    expect(error?.message).toContain('the connection broke off');
    expect(error?.message).toContain(origin.host);
  });

  it('by a reset in the middle keeps what came', async () => {
    const origin = await serve((_request, response) => {
      response.writeHead(206, { 'content-range': `bytes 0-${CONTENT.length - 1}/${CONTENT.length}`, 'content-length': CONTENT.length });
      response.write(CONTENT.subarray(0, 100_000));
    });
    const sink = new RecordingSink();
    (await bodyFrom(origin)).start(sink);
    await sink.received(100_000);
    origin.socket(0).resetAndDestroy();
    expect(await sink.ended()).toMatchObject({ code: 'ORIGIN_UNREACHABLE' });
    expect(sink.content.equals(CONTENT.subarray(0, 100_000))).toBe(true);
  });

  it('by a reset before it is started is told when it is', async () => {
    const origin = await serve((_request, response) => {
      promise(response, 100, { 'content-length': 100 });
      response.write('12345');
    });
    const body = await bodyFrom(origin);
    origin.socket(0).resetAndDestroy();
    await origin.socket(0).gone;
    const { content, error } = await readAll(body);
    expect(error).toMatchObject({ code: 'ORIGIN_UNREACHABLE' });
    expect('12345'.startsWith(content.toString())).toBe(true);
  });

  it.each([1, 100_000])('with %i bytes more than promised hands on the promised ones and closes', async (more) => {
    const origin = await serve((_request, response) => {
      promise(response, 5);
      response.write(Buffer.concat([Buffer.from('12345'), Buffer.alloc(more)]));
    });
    const sink = new RecordingSink();
    (await bodyFrom(origin)).start(sink);
    expect(await sink.ended()).toBeNull();
    await origin.socket(0).gone;
    expect(sink.content.toString()).toBe('12345');
    expect(sink.ends).toEqual([null]);
  });

  it('with a chunk more than promised closes', async () => {
    const origin = await serve((_request, response) => {
      promise(response, 5);
      response.write('12345');
      response.write('6');
    });
    expect(await readAll(await bodyFrom(origin))).toEqual({ content: Buffer.from('12345'), error: null });
    await origin.socket(0).gone;
  });

  describe('without saying its length', () => {
    const expected: Description = { validator: { etag: '"v1"', lastModified: null }, total: 5, mimeType: null };

    it.each([
      ['12345', '12345', null],
      ['1234', '1234', 'ORIGIN_CHANGED'],
      ['123456', '12345', 'ORIGIN_CHANGED'],
    ])('as %j is held against the known length', async (sent, content, code) => {
      const origin = await serve((_request, response) => {
        response.writeHead(200, { etag: '"v1"' });
        response.write(sent);
        response.end();
      });
      const read = await readAll(await bodyFrom(origin, { expected }));
      expect(read.content.toString()).toBe(content);
      expect(read.error?.code ?? null).toBe(code);
    });

    it('and ended by its connection may have broken off', async () => {
      const origin = await serve((request) => request.socket.end('HTTP/1.0 200 OK\r\netag: "v1"\r\n\r\n1234'));
      expect((await readAll(await bodyFrom(origin, { expected }))).error?.code).toBe('ORIGIN_UNREACHABLE');
    });
  });
});

describe('a stall', () => {
  async function stalling(): Promise<{ origin: BareOrigin; body: OriginBody; sink: RecordingSink }> {
    const origin = await serve((_request, response) => {
      promise(response, 10, { 'content-length': 10 });
      response.write('123');
    });
    return { origin, body: await bodyFrom(origin), sink: new RecordingSink() };
  }

  it('of 15 s ends the body and the connection', async () => {
    const { origin, body, sink } = await stalling();
    body.start(sink);
    await sink.received(3);
    clock.advance(14_999);
    expect(sink.ends).toEqual([]);
    clock.advance(1);
    expect(sink.ends).toMatchObject([{ code: 'ORIGIN_TIMEOUT', message: `no byte came from ${origin.host} for 15 s` }]);
    await origin.socket(0).gone;
    expect(clock.timers).toBe(0);
  });

  it('counts from the last byte', async () => {
    const { origin, body, sink } = await stalling();
    body.start(sink);
    await sink.received(3);
    clock.advance(14_000);
    origin.response(0).write('4');
    await sink.received(4);
    clock.advance(14_999);
    expect(sink.ends).toEqual([]);
    clock.advance(1);
    expect(sink.ends).toMatchObject([{ code: 'ORIGIN_TIMEOUT' }]);
  });

  it('is not one while the sink rests, and counts anew afterwards', async () => {
    const { origin, body, sink } = await stalling();
    body.start(sink);
    await sink.received(3);
    body.pause();
    clock.advance(600_000);
    await macrotask();
    expect(sink.ends).toEqual([]);
    body.resume();
    await macrotask();
    clock.advance(14_999);
    expect(sink.ends).toEqual([]);
    origin.response(0).end('4567890');
    expect(await sink.ended()).toBeNull();
    expect(sink.content.toString()).toBe('1234567890');
  });

  it('is not one before the body is started', async () => {
    const { origin, body, sink } = await stalling();
    clock.advance(600_000);
    body.start(sink);
    origin.response(0).end('4567890');
    expect(await sink.ended()).toBeNull();
  });
});

describe('a pause', () => {
  it('holds the server back, whatever the size of the body', async () => {
    const size = 50 * MIB;
    let progress = { taken: 0 };
    const origin = await serve((request, response) => {
      if (request.url === '/ping') {
        response.end('pong');
        return;
      }
      promise(response, size, { 'content-length': size });
      progress = writeEndlessly(response, size);
    });
    const body = await bodyFrom(origin);
    const sink = new RecordingSink();
    let largest = 0;
    sink.onData = (chunk) => {
      largest = Math.max(largest, chunk.length);
      body.pause();
    };
    body.start(sink);
    await sink.received(1);
    await quiet(origin, () => progress.taken);
    const heldBack = progress.taken;
    expect(sink.chunks).toHaveLength(1);
    // What was taken lies in the buffers of both kernels, whose limits Linux sets to 4 and 6 MiB.
    expect(heldBack).toBeLessThan(16 * MIB);
    expect(largest).toBeLessThanOrEqual(256 * 1024);
    sink.onData = () => {};
    body.resume();
    expect(await sink.ended()).toBeNull();
    expect(sink.length).toBe(size);
    expect(progress.taken).toBe(size);
  }, 30_000);

  it('before the start holds everything back', async () => {
    let progress = { taken: 0 };
    const origin = await serve((request, response) => {
      if (request.url === '/ping') {
        response.end('pong');
        return;
      }
      promise(response, 50 * MIB, { 'content-length': 50 * MIB });
      progress = writeEndlessly(response);
    });
    const body = await bodyFrom(origin);
    await quiet(origin, () => progress.taken);
    expect(progress.taken).toBeLessThan(16 * MIB);
    const sink = new RecordingSink();
    body.pause();
    body.start(sink);
    await quiet(origin, () => progress.taken + sink.length);
    expect(sink.length).toBe(0);
    body.resume();
    expect(await sink.ended()).toBeNull();
    expect(sink.length).toBe(50 * MIB);
  }, 30_000);

  it('at every chunk loses nothing and calls nothing while it lasts', async () => {
    const origin = await serve(serveRange(CONTENT));
    const body = await bodyFrom(origin);
    const sink = new RecordingSink();
    let paused = false;
    let violations = 0;
    sink.onData = () => {
      if (paused) violations += 1;
      paused = true;
      body.pause();
      setImmediate(() => {
        paused = false;
        body.resume();
      });
    };
    body.start(sink);
    expect(await sink.ended()).toBeNull();
    expect(violations).toBe(0);
    expect(sink.content.equals(CONTENT)).toBe(true);
  });

  it('from outside takes effect at once, for bytes and for the end', async () => {
    const { origin, body, sink } = await pausedHalfway();
    origin.response(0).end('456');
    await origin.finished(1);
    const other = await serve(serveRange(CONTENT));
    await readAll(await bodyFrom(other));
    expect(sink.length).toBe(3);
    expect(sink.ends).toEqual([]);
    body.resume();
    // Not within the caller's stack, either.
    expect(sink.length).toBe(3);
    expect(await sink.ended()).toBeNull();
    expect(sink.content.toString()).toBe('123456');
  });

  it('may end from within the data of another transfer', async () => {
    // undici has one parser at work at a time: resuming one connection from another's data event must not enter it again.
    const origin = await serve(serveRange(CONTENT));
    const first = await bodyFrom(origin);
    const second = await bodyFrom(origin);
    const sinks = [new RecordingSink(), new RecordingSink()] as const;
    /** Each chunk of one transfer lets the other go on, until the other has ended. */
    const takeTurns = (own: OriginBody, other: OriginBody, otherSink: RecordingSink) => (): void => {
      if (otherSink.ends.length > 0) return;
      own.pause();
      other.resume();
    };
    sinks[0].onData = takeTurns(first, second, sinks[1]);
    sinks[1].onData = takeTurns(second, first, sinks[0]);
    first.start(sinks[0]);
    second.start(sinks[1]);
    const ends = Promise.all([sinks[0].ended().finally(() => second.resume()), sinks[1].ended().finally(() => first.resume())]);
    expect(await ends).toEqual([null, null]);
    for (const sink of sinks) expect(sink.content.equals(CONTENT)).toBe(true);
  });

  it('undone at once changes nothing', async () => {
    const origin = await serve(serveRange(CONTENT));
    const body = await bodyFrom(origin);
    const sink = new RecordingSink();
    sink.onData = () => {
      body.pause();
      body.resume();
      body.resume();
    };
    body.start(sink);
    expect(await sink.ended()).toBeNull();
    expect(sink.content.equals(CONTENT)).toBe(true);
    expect(sink.ends).toHaveLength(1);
  });
});

describe('an abort', () => {
  it('in the middle closes the connection and is the last that is heard', async () => {
    const origin = await serve((_request, response) => {
      promise(response, 50 * MIB, { 'content-length': 50 * MIB });
      writeEndlessly(response);
    });
    const body = await bodyFrom(origin);
    const sink = new RecordingSink();
    sink.onData = () => {
      if (sink.chunks.length === 3) body.abort();
    };
    body.start(sink);
    await sink.received(1);
    await origin.socket(0).gone;
    await macrotask();
    expect(sink.chunks).toHaveLength(3);
    expect(sink.ends).toEqual([]);
    expect(clock.timers).toBe(0);
  });

  it('before the start closes the connection', async () => {
    const origin = await serve((_request, response) => {
      promise(response, 50 * MIB, { 'content-length': 50 * MIB });
      writeEndlessly(response);
    });
    const body = await bodyFrom(origin);
    body.abort();
    await origin.socket(0).gone;
    expect(clock.timers).toBe(0);
  });

  it('while paused drops what was held back', async () => {
    const { origin, body, sink } = await pausedHalfway();
    origin.response(0).write('45');
    const other = await serve(serveRange(CONTENT));
    await readAll(await bodyFrom(other));
    body.abort();
    body.resume();
    await origin.socket(0).gone;
    await macrotask();
    expect(sink.length).toBe(3);
    expect(sink.ends).toEqual([]);
  });

  it('after the end is harmless: the connection is used again', async () => {
    const origin = await serve(serveRange(CONTENT));
    const body = await bodyFrom(origin);
    await readAll(body);
    body.abort();
    body.abort();
    body.pause();
    body.resume();
    await macrotask();
    await readAll(await bodyFrom(origin));
    expect(origin.sockets).toHaveLength(1);
  });

  it('within the end is harmless', async () => {
    const origin = await serve(serveRange(CONTENT));
    const body = await bodyFrom(origin);
    const end = await new Promise((resolve) => {
      body.start({
        data: () => {},
        end: (error) => {
          body.abort();
          resolve(error);
        },
      });
    });
    expect(end).toBeNull();
    expect((await readAll(await bodyFrom(origin))).error).toBeNull();
  });
});
