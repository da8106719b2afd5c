import { randomFillSync } from 'node:crypto';
import { closeSync, linkSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { startFileOrigin } from './nginx.mjs';
import { ask, newFolder, printed, removeFolder, startModule } from './started-things.mjs';

// Where the bytes come from: a fast origin with real files (nginx), and a slow or distant one with computed resources (origin-server.mjs, delay-link.mjs).

/** @typedef {{ bodyBytes: number, requests: number, active: number }} OriginStats */
/**
 * @typedef {object} SlowOrigin
 * @property {string} url
 * @property {() => Promise<OriginStats>} stats body bytes sent and requests answered since the last reset
 * @property {() => Promise<OriginStats>} reset
 * @property {() => Promise<void>} dropIdle ends kept-alive connections that wait for a request
 * @property {() => Promise<void>} stop
 */
/** @typedef {{ size: number, names: string[], connectionRate?: number, totalRate?: number, roundTripMs?: number }} SlowOriginOptions rates in bytes a second */

/** The names of `count` resources of one kind. @param {string} kind @param {number} count */
export function names(kind, count) {
  return Array.from({ length: count }, (_, index) => `${kind}-${index + 1}.bin`);
}

/** @param {SlowOriginOptions} options @returns {Promise<SlowOrigin>} */
export async function startSlowOrigin({ size, names, connectionRate, totalRate, roundTripMs = 0 }) {
  const settings = { size, names, connectionRate: connectionRate ?? null, totalRate: totalRate ?? null };
  const server = startModule('origin-server.mjs', settings);
  server.child.stderr?.pipe(process.stderr);
  let url = await listening(server);
  const link = roundTripMs > 0 ? startModule('delay-link.mjs', { port: Number(new URL(url).port), roundTripMs }) : null;
  link?.child.stderr?.pipe(process.stderr);
  if (link !== null) url = await listening(link);
  return {
    url,
    stats: () => ask(server, { do: 'stats' }),
    reset: () => ask(server, { do: 'reset' }),
    dropIdle: async () => {
      await ask(server, { do: 'drop-idle' });
      // The other end hears of it half a round trip later.
      await new Promise((resolve) => setTimeout(resolve, roundTripMs + 5));
    },
    stop: async () => {
      await link?.stop();
      await server.stop();
    },
  };
}

/** nginx with one file of noise on disk, reachable under each of `names`. @param {{ size: number, names: string[] }} options */
export async function startFastOrigin({ size, names }) {
  const folder = newFolder('origin');
  const [first = 'film.bin', ...others] = names;
  writeNoise(join(folder, first), size);
  for (const name of others) linkSync(join(folder, first), join(folder, name));
  const { url, stop } = await startFileOrigin(folder);
  return {
    url,
    stop: async () => {
      await stop();
      removeFolder(folder);
    },
  };
}

/** A file of random bytes. @param {string} file @param {number} size */
export function writeNoise(file, size) {
  const fd = openSync(file, 'wx');
  const piece = Buffer.alloc(8 * 1024 * 1024);
  for (let at = 0; at < size; at += piece.length) writeSync(fd, randomFillSync(piece), 0, Math.min(piece.length, size - at));
  closeSync(fd);
}

/** @param {import('./started-things.mjs').Started} started */
async function listening(started) {
  return String((await printed(started, /listening on (\S+)/))[1]);
}
