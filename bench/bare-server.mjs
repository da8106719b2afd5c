import { openSync, readSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { loadKernelSender } from '#seekwell/proxy/kernel-sender';

// What a transport costs by itself: one file, its ranges read from the system's memory without a thread in between, answered through node:http or on the
// socket, or sent by the kernel. A process of its own; see transport.mjs.

/** @typedef {{ kind: 'http' | 'socket' | 'kernel', path: string, size: number, bufferBytes: number }} BareSettings */
/** @typedef {import('node:stream').Writable} Writable */

const RANGE = /^range: bytes=(\d+)-(\d+)\r$/im;

/** @type {BareSettings} */
const { kind, path, size, bufferBytes } = JSON.parse(process.argv[2] ?? '');
const fd = openSync(path, 'r');
/** Free buffers: allocating one anew costs more than filling it. @type {Buffer[]} */
const free = [];

/** @param {RegExpExecArray | null} match */
function asked(match) {
  return match === null
    ? { start: 0, length: size, status: 200 }
    : { start: Number(match[1]), length: Number(match[2]) - Number(match[1]) + 1, status: 206 };
}

/** Two buffers at most: one is filled while the client takes the other. @param {Writable} to @param {string} head @param {number} start @param {number} length */
async function send(to, head, start, length) {
  /** @type {Promise<void> | null} */
  let writing = null;
  let text = head;
  for (let at = start, end = start + length; at < end; ) {
    const buffer = free.pop() ?? Buffer.allocUnsafeSlow(bufferBytes);
    const room = text === '' ? 0 : buffer.write(text, 'latin1');
    const count = readSync(fd, buffer, room, Math.min(buffer.length - room, end - at), at);
    at += count;
    text = '';
    await writing;
    /** @type {() => void} */
    let taken = () => undefined;
    /** @type {Promise<void>} */
    const done = new Promise((resolve) => {
      taken = resolve;
    });
    to.write(buffer.subarray(0, room + count), () => taken());
    const finished = to.writableLength === 0;
    if (finished) free.push(buffer);
    writing = finished ? null : done.then(() => void free.push(buffer));
    if (finished && to.destroyed) return;
    if (at % (2 * 1024 * 1024) < bufferBytes) await new Promise((resolve) => setImmediate(resolve));
  }
  await writing;
}

/** What a full socket waits with, in bytes. */
const LEAST = 16 * 1024;
const sender = kind === 'kernel' ? await loadKernelSender() : null;

/** @param {import('node:net').Socket} socket @param {string} head @param {number} start @param {number} length */
async function sendByKernel(socket, head, start, length) {
  if (sender === null) throw new Error('there is no kernel sender');
  const { fd: descriptor } = /** @type {{ _handle: { fd: number } }} */ (/** @type {unknown} */ (socket))._handle;
  sender.sendHead(descriptor, head, 'with the rest');
  const buffer = Buffer.allocUnsafe(LEAST);
  for (let at = start, end = start + length, turn = 0; at < end && !socket.destroyed; ) {
    const count = sender.sendFile(descriptor, fd, at, Math.min(bufferBytes, end - at));
    at += count;
    turn += count;
    if (count === 0) {
      const copied = readSync(fd, buffer, 0, Math.min(LEAST, end - at), at);
      at += copied;
      await new Promise((resolve) => socket.write(buffer.subarray(0, copied), resolve));
      turn = 0;
    } else if (turn > 2 * 1024 * 1024) {
      await new Promise((resolve) => setImmediate(resolve));
      turn = 0;
    }
  }
}

const server =
  kind === 'http'
    ? createHttpServer((request, response) => {
        const { start, length, status } = asked(/^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? ''));
        response.writeHead(status, { 'content-length': length, 'content-type': 'application/octet-stream' });
        void send(response, '', start, length).then(() => response.end());
      })
    : createServer((socket) => {
        socket.setNoDelay();
        socket.on('error', () => socket.destroy());
        socket.on('data', (bytes) => {
          const { start, length, status } = asked(RANGE.exec(bytes.toString('latin1')));
          const head = `HTTP/1.1 ${status} OK\r\ncontent-length: ${length}\r\ncontent-type: application/octet-stream\r\n\r\n`;
          void (sender === null ? send(socket, head, start, length) : sendByKernel(socket, head, start, length));
        });
      });
server.listen(0, '127.0.0.1', () =>
  console.log(`listening on http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (server.address()).port}`),
);
