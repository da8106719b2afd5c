import { connect, createServer } from 'node:net';

// A long cable in front of an origin, as a process of its own: every byte takes half a round trip each way, and a new connection one whole round trip more.

/** @typedef {{ port: number, roundTripMs: number }} LinkSettings */

/** What a connection may have on its way before its sender waits, in bytes. */
const WINDOW_BYTES = 8 * 1024 * 1024;

/** @type {LinkSettings} */
const settings = JSON.parse(process.argv[2] ?? '{}');

/** Passes on what `from` sends, each piece `delayMs` after it came and not before `earliest`. @param {import('node:net').Socket} from @param {import('node:net').Socket} to @param {number} delayMs @param {number} earliest */
function carry(from, to, delayMs, earliest) {
  /** @type {{ at: number, bytes: Buffer | null }[]} */
  const onTheWay = [];
  let bytesOnTheWay = 0;
  /** @type {NodeJS.Timeout | null} */
  let timer = null;
  const deliver = () => {
    timer = null;
    // A timer may fire a fraction of a millisecond early.
    while (onTheWay[0] !== undefined && onTheWay[0].at <= performance.now() + 0.2) {
      const { bytes } = /** @type {{ bytes: Buffer | null }} */ (onTheWay.shift());
      if (bytes === null) to.end();
      else {
        bytesOnTheWay -= bytes.length;
        if (to.writable) to.write(bytes);
      }
    }
    if (bytesOnTheWay + to.writableLength < WINDOW_BYTES) from.resume();
    schedule();
  };
  const schedule = () => {
    const first = onTheWay[0];
    if (first !== undefined && timer === null) timer = setTimeout(deliver, Math.max(0, first.at - performance.now()));
  };
  const take = (/** @type {Buffer | null} */ bytes) => {
    onTheWay.push({ at: Math.max(performance.now(), earliest) + delayMs, bytes });
    bytesOnTheWay += bytes?.length ?? 0;
    if (bytesOnTheWay + to.writableLength >= WINDOW_BYTES) from.pause();
    schedule();
  };
  from.on('data', take);
  let ended = false;
  from.on('end', () => {
    ended = true;
    take(null);
  });
  to.on('drain', () => from.resume());
  // A cut is heard of half a round trip later, like everything else.
  from.on('close', (failed) => {
    if (failed || !ended) setTimeout(() => to.destroy(), delayMs);
  });
  from.on('error', () => {});
}

const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  const origin = connect({ port: settings.port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  const established = performance.now() + settings.roundTripMs;
  carry(client, origin, settings.roundTripMs / 2, established);
  carry(origin, client, settings.roundTripMs / 2, 0);
});

process.on('disconnect', () => process.exit(0));
server.listen(0, '127.0.0.1', 1024, () => {
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  console.log(`listening on http://127.0.0.1:${port}`);
});
