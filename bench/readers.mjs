import { spawn } from 'node:child_process';
import { Agent, get } from 'node:http';
import { areComputed } from './computed-bytes.mjs';
import * as programs from './programs.mjs';

// Clients as players are: a seek, a whole file, a slow one. All of them look at the bytes they get wherever these can be computed.

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */

/** A server that gives nothing for so long is not slow but stuck, in milliseconds. */
const PATIENCE_MS = 20_000;

/** A connection that is kept, for one reader. */
export function keptAlive() {
  return new Agent({ keepAlive: true, maxSockets: 1 });
}

/**
 * A seek: milliseconds until the first byte of the body is there. Without an agent: on a new connection, asking for all that follows and leaving after the
 * first bytes. With one: reading 64 KiB, so that the connection lives on.
 * @param {string} url @param {number} offset @param {Agent | null} [agent] @returns {Promise<number>}
 */
export async function seek(url, offset, agent = null) {
  const started = performance.now();
  const response = await answer(url, `bytes=${offset}-${agent === null ? '' : offset + 65_535}`, agent ?? false);
  /** @type {number | null} */
  let took = null;
  let position = offset;
  for await (const bytes of response) {
    took ??= performance.now() - started;
    if (!areComputed(bytes, position)) throw new Error(`${url} gave wrong bytes at ${position}`);
    position += bytes.length;
    if (agent === null) break;
  }
  if (took === null) throw new Error(`${url} gave no bytes at ${offset}`);
  return took;
}

/**
 * Reads from `offset` to the end as fast as it comes. Resolves with the seconds it took.
 * @param {string} url @param {{ offset?: number, size: number }} options
 */
export async function readComputed(url, { offset = 0, size }) {
  const started = performance.now();
  const response = await answer(url, `bytes=${offset}-`, false);
  let position = offset;
  for await (const bytes of response) {
    if (!areComputed(bytes, position)) throw new Error(`${url} gave wrong bytes at ${position}`);
    position += bytes.length;
  }
  if (position !== size) throw new Error(`${url} ended at ${position} of ${size}`);
  return (performance.now() - started) / 1000;
}

/**
 * A player that takes `rate` bytes a second from `offset` on, until it is aborted: then resolves with how many it got. Rejects when the stream ends before.
 * @param {string} url @param {{ offset: number, rate: number, signal: AbortSignal }} options
 */
export async function readSlowly(url, { offset, rate, signal }) {
  const response = await answer(url, `bytes=${offset}-`, false);
  const leave = () => response.destroy();
  signal.addEventListener('abort', leave);
  const started = performance.now();
  let position = offset;
  try {
    for await (const bytes of response) {
      if (!areComputed(bytes, position)) throw new Error(`${url} gave wrong bytes at ${position}`);
      position += bytes.length;
      const early = (position - offset) / rate - (performance.now() - started) / 1000;
      if (early > 0) await sleep(early * 1000, signal);
      if (signal.aborted) return position - offset;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  if (signal.aborted) return position - offset;
  throw new Error(`${url} ended at ${position}`);
}

/** Reads a whole resource with curl. Seconds, and bytes a second. @param {string} url @param {number} size */
export async function curl(url, size) {
  const args = ['--silent', '--show-error', '--fail', '--output', '/dev/null', '--write-out', '%{time_total} %{size_download}', url];
  const [seconds = 0, bytes = 0] = (await finished(programs.require('curl'), args)).split(' ').map(Number);
  if (bytes !== size) throw new Error(`${url} gave ${bytes} of ${size} bytes`);
  return { seconds, rate: bytes / seconds };
}

/** Runs a program to its end and resolves with what it printed on stdout. @param {string} command @param {string[]} args @param {NodeJS.ProcessEnv} [env] @returns {Promise<string>} */
export function finished(command, args, env = process.env) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
  let [output, errors] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve(output) : reject(new Error(`${command} ${args.join(' ')} ended with ${code}: ${errors}${output}`)),
    );
  });
}

/** @param {number} milliseconds @param {AbortSignal} [signal] @returns {Promise<void>} */
export function sleep(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}

/** @param {string} url @param {string} range @param {Agent | false} agent @returns {Promise<IncomingMessage>} */
function answer(url, range, agent) {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent, headers: { range } }, (response) => {
      if (response.statusCode === 206) return resolve(response);
      response.destroy();
      reject(new Error(`${url} answered ${response.statusCode} to ${range}`));
    });
    request.setTimeout(PATIENCE_MS, () => request.destroy(new Error(`${url} gave nothing for ${PATIENCE_MS / 1000} s after ${range}`)));
    request.on('error', reject);
  });
}
