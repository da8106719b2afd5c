import { createServer } from 'node:http';
import { computedBytes } from './computed-bytes.mjs';

// An origin as a process of its own. Its resources (`/NAME.bin`, all of one size) are computed, so that they may be of any size; each connection gets its rate
// from the first byte on, and optionally all of them share one. It counts what it sends.

/**
 * @typedef {object} OriginSettings
 * @property {number} size bytes of each resource
 * @property {string[]} names what the index lists, which rclone needs to find a resource
 * @property {number | null} connectionRate bytes a second for each connection; null: as fast as it goes
 * @property {number | null} totalRate bytes a second for all connections together; null: no limit
 */

/** How often connections get their next bytes, in milliseconds. */
const TICK_MS = 4;
/** Bytes of one write where no rate is set. */
const WRITE_BYTES = 256 * 1024;
const LAST_MODIFIED = 'Thu, 01 Jan 2026 00:00:00 GMT';

/** @type {OriginSettings} */
const settings = JSON.parse(process.argv[2] ?? '{}');
const { size, connectionRate, totalRate } = settings;
const limited = connectionRate !== null || totalRate !== null;

/** @typedef {{ response: import('node:http').ServerResponse, position: number, end: number, owed: number, blocked: boolean }} Sending */
/** @type {Set<Sending>} */
const sendings = new Set();
let bodyBytes = 0;
let requests = 0;
let lastTick = performance.now();

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://origin');
  if (url.pathname === '/') return void response.writeHead(200, { 'content-type': 'text/html' }).end(index());
  if (!url.pathname.endsWith('.bin')) return void response.writeHead(404).end();
  answer(request, response);
});
server.keepAliveTimeout = 600_000;
server.on('connection', (socket) => socket.setNoDelay(true));

function index() {
  return settings.names.map((name) => `<a href="${name}">${name}</a>`).join('\n');
}

/** @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response */
function answer(request, response) {
  const range = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? '');
  let [start, end] = [0, size - 1];
  if (range && range[1] === '') start = Math.max(0, size - Number(range[2]));
  else if (range) [start, end] = [Number(range[1]), range[2] === '' ? size - 1 : Math.min(size - 1, Number(range[2]))];
  const head = { 'accept-ranges': 'bytes', 'last-modified': LAST_MODIFIED, etag: `"${size}"`, 'content-type': 'application/octet-stream' };
  if (start > end) return void response.writeHead(416, { ...head, 'content-range': `bytes */${size}` }).end();
  const length = { 'content-length': end - start + 1 };
  if (range) response.writeHead(206, { ...head, ...length, 'content-range': `bytes ${start}-${end}/${size}` });
  else response.writeHead(200, { ...head, ...length });
  if (request.method === 'HEAD') return void response.end();
  requests++;
  /** @type {Sending} */
  const sending = { response, position: start, end, owed: 0, blocked: false };
  sendings.add(sending);
  response.once('close', () => sendings.delete(sending));
  response.on('drain', () => {
    sending.blocked = false;
    if (!limited) pour(sending);
  });
  if (limited) send(sending, rateOfOne() * (TICK_MS / 1000));
  else pour(sending);
}

/** @param {Sending} sending */
function pour(sending) {
  while (!sending.blocked && sendings.has(sending)) send(sending, WRITE_BYTES);
}

function rateOfOne() {
  return Math.min(
    connectionRate ?? Number.POSITIVE_INFINITY,
    totalRate === null ? Number.POSITIVE_INFINITY : totalRate / Math.max(1, sendings.size),
  );
}

/** @param {Sending} sending @param {number} bytes may be a fraction: the rest of it is owed */
function send(sending, bytes) {
  const { response, position, end } = sending;
  if (sending.blocked) return;
  sending.owed += bytes;
  const count = Math.min(Math.floor(sending.owed), end - position + 1);
  sending.owed -= count;
  sending.position += count;
  bodyBytes += count;
  for (const piece of computedBytes(position, count)) sending.blocked = !response.write(piece);
  if (sending.position > end) {
    sendings.delete(sending);
    response.end();
  }
}

if (limited) {
  setInterval(() => {
    const now = performance.now();
    const rate = rateOfOne();
    for (const sending of sendings) send(sending, (rate * (now - lastTick)) / 1000);
    lastTick = now;
  }, TICK_MS);
}

process.on('message', (/** @type {{ do: string }} */ message) => {
  if (message.do === 'reset') bodyBytes = requests = 0;
  // Whoever comes next has to connect anew, as a player's first request does.
  if (message.do === 'drop-idle') server.closeIdleConnections();
  process.send?.({ bodyBytes, requests, active: sendings.size });
});
process.on('disconnect', () => process.exit(0));

server.listen(0, '127.0.0.1', 1024, () => {
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  console.log(`listening on http://127.0.0.1:${port}`);
});
