import { areRight, FILMS, MAX_SIZE } from './films.mjs';

// One process of a soak: opens the cache, does at random what users do, closes it, opens it again. Tells its parent what it did each second.

/** @typedef {{ cacheDir: string, originUrl: string, until: number, seed: number }} MemberOptions until: UTC milliseconds */
/** @typedef {{ done: Record<string, number>, expected: Record<string, number>, failures: string[], bytes: number, slowest: Record<string, number> }} Told slowest: milliseconds */

/** What may happen to one process because of what another does: it removes what is read here, or fills the cache with what may not go. */
const EXPECTED = new Set(['ENTRY_NOT_FOUND', 'ORIGIN_CHANGED', 'QUOTA_EXCEEDED']);
const LONGEST_READ = 2 * 1024 * 1024;

/** @param {MemberOptions} options */
export async function runMember({ cacheDir, originUrl, until, seed }) {
  const { FileCache } = await import('#seekwell/index');
  const random = randomOf(seed);
  /** @type {Told} */
  const told = { done: {}, expected: {}, failures: [], bytes: 0, slowest: {} };
  const tell = () => process.send?.(told);
  const telling = setInterval(tell, 250);
  while (Date.now() < until && told.failures.length === 0) {
    try {
      const background = random() < 0.5;
      const cache = await FileCache.open({ cacheDir, maxSize: MAX_SIZE, minFree: 0, background, durability: 'process-crash' });
      count(told.done, 'open');
      const rounds = 5 + Math.floor(random() * 40);
      for (let round = 0; round < rounds && Date.now() < until; round++) {
        // Several at once, as players and people are.
        await Promise.all(Array.from({ length: 1 + Math.floor(random() * 3) }, () => act(cache, originUrl, random, told)));
      }
      await cache.close();
    } catch (error) {
      told.failures.push(`open or close: ${describe(error)}`);
    }
  }
  clearInterval(telling);
  await new Promise((resolve) => process.send?.(told, () => resolve(undefined)));
  process.disconnect();
}

/** @param {import('#seekwell/index').FileCache} cache @param {string} originUrl @param {() => number} random @param {Told} told */
async function act(cache, originUrl, random, told) {
  const index = Math.floor(random() * FILMS.length);
  const film = FILMS[index];
  if (film === undefined) return;
  const [name, action] = chosen(random());
  const begin = performance.now();
  try {
    const entry = await cache.add({ url: originUrl + film.name });
    await action({ cache, entry, film, index, random, told });
    count(told.done, name);
  } catch (error) {
    const { code } = /** @type {{ code?: string }} */ (error);
    if (code !== undefined && EXPECTED.has(code)) count(told.expected, `${name} ${code}`);
    else told.failures.push(`${name} ${film.name}: ${describe(error)}`);
  }
  told.slowest[name] = Math.round(Math.max(told.slowest[name] ?? 0, performance.now() - begin));
}

/**
 * @typedef {object} Stage
 * @property {import('#seekwell/index').FileCache} cache
 * @property {import('#seekwell/index').Entry} entry
 * @property {typeof FILMS[number]} film
 * @property {number} index
 * @property {() => number} random
 * @property {Told} told
 */

/** @type {readonly (readonly [name: string, share: number, action: (stage: Stage) => Promise<unknown>])[]} */
const ACTIONS = [
  ['read', 0.68, readSome],
  ['prefetch', 0.08, prefetchSome],
  ['spans', 0.05, ({ entry }) => entry.spans()],
  ['list', 0.04, listAll],
  ['verify', 0.02, verifyAll],
  ['pause', 0.02, ({ entry }) => entry.pause()],
  ['resume', 0.03, ({ entry }) => entry.resume()],
  ['remove', 0.04, ({ cache, entry }) => cache.remove(entry.id)],
  ['gc', 0.04, ({ cache }) => cache.gc()],
];

/** @param {Stage} stage */
async function listAll({ cache }) {
  for await (const { downloadedBytes, expectedTotalSize } of cache.list()) {
    if (downloadedBytes > (expectedTotalSize ?? 0)) throw new Error(`${downloadedBytes} bytes of ${expectedTotalSize}`);
  }
}

/** @param {Stage} stage */
async function verifyAll({ entry }) {
  const { bad } = await entry.verify();
  if (bad.length > 0) throw new Error(`bad bytes are recorded: ${JSON.stringify(bad)}`);
}

/** @param {number} share of all actions, 0 to 1 */
function chosen(share) {
  let rest = share;
  for (const [name, part, action] of ACTIONS) {
    if (rest < part) return /** @type {const} */ ([name, action]);
    rest -= part;
  }
  return /** @type {const} */ (['read', readSome]);
}

/** @param {Stage} stage */
async function readSome({ entry, film, index, random, told }) {
  const { start, end } = someRange(film.size, random);
  let at = start;
  for await (const piece of entry.read({ offset: start, length: end - start + 1 })) {
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    if (!areRight(index, bytes, at)) throw new Error(`wrong bytes within ${at} to ${at + bytes.length - 1}`);
    at += bytes.length;
    told.bytes += bytes.length;
    // Some players leave.
    if (random() < 0.01) return;
  }
  if (at !== end + 1) throw new Error(`the read ended at ${at} of ${end + 1}`);
}

/** @param {number} size @param {() => number} random */
function someRange(size, random) {
  const start = Math.floor(random() * size);
  return { start, end: Math.min(size, start + 1 + Math.floor(random() * LONGEST_READ)) - 1 };
}

/** Waits for a while: perhaps nobody fetches. @param {Stage} stage */
async function prefetchSome({ entry, film, random }) {
  const signal = AbortSignal.timeout(1_000);
  try {
    await entry.prefetch({ ranges: [someRange(film.size, random)], signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** @param {Record<string, number>} counts @param {string} name */
function count(counts, name) {
  counts[name] = (counts[name] ?? 0) + 1;
}

/** @param {unknown} error */
function describe(error) {
  const { code, stack, cause } = /** @type {Error & { code?: string, cause?: Error }} */ (error);
  return [code, stack, cause?.stack].filter(Boolean).join(' ');
}

/** xorshift32. @param {number} seed */
function randomOf(seed) {
  let state = (seed * 2_654_435_761) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
