import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startSliceCache, whyNoNginx } from './nginx.mjs';
import * as programs from './programs.mjs';
import { answers, freePort, newFolder, printed, start } from './started-things.mjs';

// Seekwell and its peers, each started as its users start it, in front of an origin.

/**
 * @typedef {object} Cache
 * @property {PeerName} name
 * @property {number} pid
 * @property {(resource: string, options?: Registration) => Promise<string>} urlOf where a resource (`NAME.bin`) of the origin is played from
 * @property {() => Promise<void>} stop
 * @property {string} folder where its bytes are
 */
/** @typedef {'seekwell' | 'nginx' | 'rclone'} PeerName */
/** @typedef {{ fill?: boolean, prefetch?: boolean }} Registration */
/** @typedef {{ processes?: number, folder?: string, args?: string[] }} StartOptions folder: an earlier one, to start again on its cache */

export const PEERS = /** @type {const} */ (['seekwell', 'nginx', 'rclone']);

/** The built command line: another build's may be named, to compare the two. */
export const SEEKWELL = process.env.SEEKWELL_BENCH_MAIN ?? fileURLToPath(import.meta.resolve('#seekwell/cli/main'));

/** @type {Map<PeerName, string>} */
const left = new Map();

/** Those that are installed. Of the others says once how to install them. @returns {PeerName[]} */
export function installedPeers() {
  for (const [name, why] of /** @type {const} */ ([
    ['nginx', whyNoNginx()],
    ['rclone', programs.find('rclone') === null ? programs.missing('rclone') : null],
  ])) {
    if (why === null || left.has(name)) continue;
    left.set(name, why);
    console.log(`${why}. Its column stays empty.`);
  }
  return PEERS.filter((name) => !left.has(name));
}

/** @param {PeerName} name @param {string} originUrl @param {StartOptions} [options] @returns {Promise<Cache>} */
export function startPeer(name, originUrl, options = {}) {
  if (name === 'nginx') return startNginxCache(originUrl, options);
  return name === 'rclone' ? startRclone(originUrl, options) : startSeekwell(originUrl, options);
}

/** All that are installed, in front of one origin. @param {string} originUrl @param {StartOptions} [options] */
export async function startPeers(originUrl, options = {}) {
  /** @type {Cache[]} */
  const caches = [];
  for (const name of installedPeers()) caches.push(await startPeer(name, originUrl, options));
  return caches;
}

/** @param {string} originUrl @param {StartOptions} options @returns {Promise<Cache>} */
async function startNginxCache(originUrl, { processes = 1, folder }) {
  const { url, pid, stop, folder: used } = await startSliceCache(originUrl, { workers: processes, ...(folder && { folder }) });
  return { name: 'nginx', pid, stop, folder: used, urlOf: async (resource) => `${url}/${resource}` };
}

/** @param {string} originUrl @param {StartOptions} options @returns {Promise<Cache>} */
async function startRclone(originUrl, { folder = newFolder('rclone') }) {
  const remote = `:http,url="${originUrl}/":`;
  // It would take a free port by itself, but does not tell which.
  const address = `127.0.0.1:${await freePort()}`;
  const args = [
    'serve',
    'http',
    '--addr',
    address,
    '--vfs-cache-mode',
    'full',
    '--cache-dir',
    folder,
    '--config',
    join(folder, 'none.conf'),
  ];
  const started = start(programs.require('rclone'), [...args, remote]);
  await answers(started, `http://${address}`);
  return { name: 'rclone', pid: started.pid, stop: started.stop, folder, urlOf: async (resource) => `http://${address}/${resource}` };
}

/** @param {string} originUrl @param {StartOptions} options @returns {Promise<Cache>} */
async function startSeekwell(originUrl, { folder = newFolder('seekwell'), processes = 1, args = [] }) {
  const serve = [
    'serve',
    '--port',
    '0',
    '--cache-dir',
    join(folder, 'cache'),
    '--max-size',
    'unlimited',
    '--drain-timeout',
    '1s',
    '--log-level',
    'error',
  ];
  const workers = processes === 1 ? [] : ['--workers', String(processes)];
  const started = start(process.execPath, [SEEKWELL, ...serve, ...workers, ...args], { env: plainEnvironment(folder) });
  started.child.stderr?.pipe(process.stderr);
  const [, url] = await printed(started, /listening on (http:\/\/\S+)/);
  /** @param {string} resource @param {Registration} [options] */
  const urlOf = async (resource, options = {}) => {
    const body = JSON.stringify({ url: `${originUrl}/${resource}`, ...options });
    const response = await fetch(`${url}/api/v1/entries`, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
    const entry = /** @type {{ streamUrl: string }} */ (await response.json());
    if (!response.ok) throw new Error(`Seekwell refused to register ${resource}: ${response.status} ${JSON.stringify(entry)}`);
    return entry.streamUrl;
  };
  return { name: 'seekwell', pid: started.pid, stop: started.stop, folder, urlOf };
}

/** The environment without what somebody configured for their own use. @param {string} folder */
export function plainEnvironment(folder) {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('SEEKWELL_'));
  return { ...Object.fromEntries(kept), XDG_CONFIG_HOME: join(folder, 'config') };
}
