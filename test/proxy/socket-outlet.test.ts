import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { bodyOf, HEAD_ROOM } from '#seekwell/proxy/buffer-pool';
import type { KernelSender } from '#seekwell/proxy/kernel-sender';
import { SocketOutlet } from '#seekwell/proxy/socket-outlet';
import { ManualClock } from '../support/manual-clock.ts';

/** A socket that keeps what is written to it, one text for each write that would reach the system. */
class RecordingSocket extends Duplex {
  readonly written: string[] = [];

  override _read(): void {}

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    this.written.push(bytes.toString('latin1'));
    done();
  }

  override _writev(pieces: { chunk: Buffer }[], done: () => void): void {
    this.written.push(pieces.map(({ chunk }) => chunk.toString('latin1')).join(''));
    done();
  }
}

const COMMON = 'date: Thu, 01 Jan 2026 00:00:00 GMT\r\nconnection: keep-alive\r\nkeep-alive: timeout=30\r\n\r\n';

function outletOn(
  socket: Duplex,
  keepAliveSeconds: number | null = 30,
  clock = new ManualClock(),
  sender: KernelSender | null = null,
): SocketOutlet {
  return new SocketOutlet(socket as Socket, { clock, sender, keepAliveSeconds: () => keepAliveSeconds });
}

/** A pooled buffer whose body is `text`. */
function buffer(text: string): Buffer {
  const bytes = Buffer.alloc(HEAD_ROOM + 64);
  bodyOf(bytes).write(text);
  return bytes;
}

function write(outlet: SocketOutlet, text: string): Promise<Error | null> {
  return new Promise((resolve) => outlet.write(buffer(text), text.length, (error) => resolve(error ?? null)));
}

test('head and first bytes leave in one write, later bytes without a head', async () => {
  const socket = new RecordingSocket();
  const outlet = outletOn(socket);
  outlet.begin(206, { 'content-length': '5', etag: '"a"' });
  expect(socket.written).toEqual([]);
  await write(outlet, 'abc');
  await write(outlet, 'de');
  expect(outlet.ended).toBe(false);
  outlet.end();
  expect(socket.written).toEqual([`HTTP/1.1 206 Partial Content\r\ncontent-length: 5\r\netag: "a"\r\n${COMMON}abc`, 'de']);
  expect([outlet.ended, socket.destroyed]).toEqual([true, false]);
});

test.each([
  ['as long as its room', 0, 1],
  ['one byte longer', 1, 2],
])('a head %s arrives whole before the body', async (_, longer, writes) => {
  const socket = new RecordingSocket();
  const outlet = outletOn(socket);
  const head = (value: string): string => `HTTP/1.1 200 OK\r\ncontent-length: 3\r\nx-long: ${value}\r\n${COMMON}`;
  const value = '\xe4'.repeat(HEAD_ROOM - head('').length + longer);
  outlet.begin(200, { 'content-length': '3', 'x-long': value });
  await write(outlet, 'abc');
  expect(socket.written).toHaveLength(writes);
  expect(socket.written.join('')).toBe(`${head(value)}abc`);
});

test('a body of unknown length is chunked', async () => {
  const socket = new RecordingSocket();
  const outlet = outletOn(socket);
  outlet.begin(200, {});
  await write(outlet, 'abc');
  await write(outlet, '0123456789abcdef');
  outlet.end();
  const head = `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n${COMMON}`;
  expect(socket.written).toEqual([`${head}3\r\nabc\r\n`, '10\r\n0123456789abcdef\r\n', '0\r\n\r\n']);
});

test('one that turns out empty is chunked too', () => {
  const socket = new RecordingSocket();
  const outlet = outletOn(socket);
  outlet.begin(200, {});
  outlet.end();
  expect(socket.written).toEqual([`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n${COMMON}0\r\n\r\n`]);
});

test.each([204, 304])('%i has neither length nor chunks', (status) => {
  const socket = new RecordingSocket();
  const outlet = outletOn(socket);
  outlet.begin(status, {});
  outlet.end();
  expect(socket.written.join('')).toMatch(
    /^HTTP\/1\.1 \d+ [\w ]+\r\ndate: [^\r]+\r\nconnection: keep-alive\r\nkeep-alive: timeout=30\r\n\r\n$/,
  );
});

test('a body that is there already leaves with the head, its length in bytes', () => {
  const socket = new RecordingSocket();
  const outlet = outletOn(socket, null);
  outlet.begin(404, { 'content-length': '4' });
  outlet.end('\u00e4\u00e4');
  expect(socket.written).toHaveLength(1);
  expect(Buffer.from(socket.written.join(''), 'latin1').toString()).toMatch(
    /^HTTP\/1\.1 404 Not Found\r\n[\s\S]*\r\nconnection: close\r\n\r\n\u00e4\u00e4$/,
  );
});

test.each(['a\r\nx-evil: 1', 'a\nb', 'a\0', 'a\x7f', 'caf\u00e9 \u2713'])('a value that no field may have is left out: %j', (value) => {
  const socket = new RecordingSocket();
  const outlet = outletOn(socket);
  outlet.begin(200, { 'content-length': '0', 'x-odd': value, 'x-fine': 'a\t\xe4' });
  outlet.end();
  expect(socket.written).toEqual([`HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-fine: a\t\xe4\r\n${COMMON}`]);
});

test('the date is that of the clock, anew each second', () => {
  const clock = new ManualClock();
  const dates = [0, 999, 1, 60_000].map((later) => {
    clock.advance(later);
    const socket = new RecordingSocket();
    const outlet = outletOn(socket, null, clock);
    outlet.begin(304, {});
    outlet.end();
    return /date: .*:(\d\d:\d\d) GMT/.exec(socket.written.join(''))?.[1];
  });
  expect(dates).toEqual(['00:00', '00:00', '00:01', '01:01']);
});

test('destroyed before its end, the client sees a short body; after it, the connection lives on', async () => {
  const [cut, whole] = [new RecordingSocket(), new RecordingSocket()];
  const outlet = outletOn(cut);
  outlet.begin(200, { 'content-length': '10' });
  await write(outlet, 'abc');
  outlet.destroy();
  expect([cut.destroyed, outlet.destroyed, outlet.ended, outlet.flushed]).toEqual([true, true, false, false]);
  expect(await write(outlet, 'def')).toBeInstanceOf(Error);
  expect(cut.written.join('')).not.toContain('def');
  const other = outletOn(whole);
  other.begin(304, {});
  other.end();
  other.destroy();
  expect([whole.destroyed, other.destroyed]).toEqual([false, false]);
});

test('what the system has not taken yet is not flushed', async () => {
  const socket = new RecordingSocket();
  const outlet = outletOn(socket);
  outlet.begin(200, { 'content-length': '3' });
  let take = (): void => {};
  socket._write = (_bytes, _encoding, done) => {
    take = done;
  };
  const taken = write(outlet, 'abc');
  expect(outlet.flushed).toBe(false);
  take();
  expect(await taken).toBeNull();
  expect(outlet.flushed).toBe(true);
  socket.destroy();
  await once(socket, 'close');
});

describe('from a file', () => {
  const [SOCKET, FILE] = [5, 7];
  /** No open descriptor. */
  const NO_FILE = -1;

  /** A socket that takes `room` bytes for now, and what went into it past Node. */
  function sending(room: number): { readonly sender: KernelSender; readonly taken: string[]; readonly heads: string[] } {
    const taken: string[] = [];
    let left = room;
    const take = (text: string): number => {
      const part = text.slice(0, left);
      left -= part.length;
      if (part !== '') taken.push(part);
      return part.length;
    };
    const heads: string[] = [];
    const sendHead = (socket: number, head: string, leaves: string): number => {
      expect(socket).toBe(SOCKET);
      heads.push(leaves);
      return take(head);
    };
    const sendFile = (socket: number, file: number, position: number, length: number): number => {
      expect([socket, position]).toEqual([SOCKET, 100]);
      expect([FILE, NO_FILE]).toContain(file);
      return take('x'.repeat(length));
    };
    return { sender: { sendHead, sendFile }, taken, heads };
  }

  function connected(): RecordingSocket {
    return Object.assign(new RecordingSocket(), { _handle: { fd: SOCKET } });
  }

  test('head and bytes leave past Node, each once', () => {
    const [socket, { sender, taken }] = [connected(), sending(Number.POSITIVE_INFINITY)];
    const outlet = outletOn(socket, null, new ManualClock(), sender);
    outlet.beginPart('etag: "a"\r\n', { start: 100, end: 104 }, 1000);
    expect([outlet.takesFiles, outlet.sendFile(FILE, 100, 3), outlet.sendFile(FILE, 100, 2)]).toEqual([true, 3, 2]);
    outlet.end();
    const fields = 'etag: "a"\r\ncontent-range: bytes 100-104/1000\r\ncontent-length: 5\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT';
    expect(taken).toEqual([`HTTP/1.1 206 Partial Content\r\n${fields}\r\nconnection: close\r\n\r\n`, 'xxx', 'xx']);
    expect([socket.written, outlet.ended]).toEqual([[], true]);
  });

  test.each([
    [256 * 1024 - 1, 'with the rest'],
    [256 * 1024, 'at once'],
  ])('the head before %i bytes leaves %s', (length, leaves) => {
    const { sender, heads } = sending(Number.POSITIVE_INFINITY);
    const outlet = outletOn(connected(), null, new ManualClock(), sender);
    outlet.beginPart('', { start: 100, end: 99 + length }, 2 * length);
    outlet.sendFile(FILE, 100, length);
    expect(heads).toEqual([leaves]);
  });

  test('of the last bytes those without room are copied, unless they are many or cannot be read', () => {
    const { sender } = sending(1000);
    const socket = connected();
    const outlet = outletOn(socket, null, new ManualClock(), sender);
    outlet.beginPart('', { start: 100, end: 2 ** 20 }, 2 ** 21);
    const many = outlet.sendLast(FILE, 100, 2 ** 20 - 99);
    expect([many > 0, many < 1000]).toEqual([true, true]);
    expect(outlet.sendLast(NO_FILE, 100, 5)).toBe(0);
    expect(socket.written).toEqual([]);
  });

  test('a head that does not fit is written as any other, and no byte before it', async () => {
    const [socket, { sender, taken }] = [connected(), sending(10)];
    const outlet = outletOn(socket, null, new ManualClock(), sender);
    outlet.beginPart('', { start: 0, end: 4 }, 5);
    expect(outlet.sendFile(FILE, 100, 5)).toBe(0);
    expect(outlet.sendFile(FILE, 100, 5)).toBe(0);
    await write(outlet, 'abcde');
    expect([...taken, ...socket.written].join('')).toMatch(/^HTTP\/1\.1 206 Partial Content\r\n[\s\S]*\r\nconnection: close\r\n\r\nabcde$/);
  });

  test('is not for a body in chunks, without a sender, nor without a connection', () => {
    const { sender } = sending(0);
    const chunked = outletOn(connected(), null, new ManualClock(), sender);
    chunked.begin(200, {});
    const gone = outletOn(Object.assign(connected(), { _handle: null }), null, new ManualClock(), sender);
    for (const outlet of [chunked, gone, outletOn(connected())]) expect(outlet.takesFiles).toBe(false);
    expect(gone.sendFile(FILE, 100, 5)).toBe(0);
  });
});
