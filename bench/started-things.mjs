import { fork, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

// What a benchmark starts and makes, and its end: processes are ended by the handle they were started with, folders removed.

/** @typedef {import('node:child_process').ChildProcess} ChildProcess */
/** @typedef {{ child: ChildProcess, pid: number, stop: () => Promise<void> }} Started */

/** How long a process may take to end by itself, in milliseconds. */
const PATIENCE_MS = 5000;

/** @type {Set<ChildProcess>} */
const children = new Set();
/** @type {Set<string>} */
const folders = new Set();

/** A new empty folder on disk, removed at the end. @param {string} name */
export function newFolder(name) {
  const folder = mkdtempSync(join(tmpdir(), `seekwell-bench-${name}-`));
  folders.add(folder);
  return folder;
}

/** Removes a folder of `newFolder` before the end, for its room on the disk. @param {string} folder */
export function removeFolder(folder) {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  folders.delete(folder);
}

/** @param {string} command @param {string[]} args @param {{ env?: NodeJS.ProcessEnv, cwd?: string }} [options] @returns {Started} */
export function start(command, args, options = {}) {
  return watched(spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] }));
}

/** A module of this folder as a process of its own, with a channel for messages. @param {string} module @param {unknown} settings @returns {Started} */
export function startModule(module, settings) {
  const file = new URL(module, import.meta.url);
  return watched(fork(file, [JSON.stringify(settings)], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] }));
}

/** @param {ChildProcess} child @returns {Started} */
function watched(child) {
  children.add(child);
  // Who prints what nobody reads would stop one day.
  child.stdout?.resume();
  child.stderr?.resume();
  child.on('exit', () => children.delete(child));
  return { child, pid: Number(child.pid), stop: () => stopChild(child) };
}

/** @param {ChildProcess} child @returns {Promise<void>} */
function stopChild(child) {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const force = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
    child.once('exit', () => {
      clearTimeout(force);
      resolve();
    });
    child.kill('SIGTERM');
  });
}

/**
 * Resolves with the first match in what a process prints; rejects when it ends before.
 * @param {Started} started @param {RegExp} pattern @returns {Promise<RegExpExecArray>}
 */
export function printed({ child }, pattern) {
  return new Promise((resolve, reject) => {
    let text = '';
    const look = (/** @type {Buffer} */ piece) => {
      text += piece;
      const match = pattern.exec(text);
      if (match) resolve(match);
    };
    child.stdout?.on('data', look);
    child.stderr?.on('data', look);
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      reject(new Error(`${child.spawnargs.slice(0, 3).join(' ')} ended (${code ?? signal}): ${text.trim()}`)),
    );
  });
}

/** Waits until a server answers; rejects when it ends before. @param {Started} started @param {string} url */
export async function answers({ child }, url) {
  const end = performance.now() + PATIENCE_MS;
  while (child.exitCode === null && child.signalCode === null && performance.now() < end) {
    try {
      await (await fetch(url, { method: 'HEAD', headers: { connection: 'close' } })).arrayBuffer();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  throw new Error(`${child.spawnfile} does not answer on ${url}`);
}

/** Sends one message to a process of `startModule` and resolves with its answer. @param {Started} started @param {{ do: string }} message @returns {Promise<any>} */
export function ask({ child }, message) {
  return new Promise((resolve, reject) => {
    const fail = () => reject(new Error(`${child.spawnargs[1]} ended before it answered ${message.do}`));
    child.once('exit', fail);
    child.once('message', (answer) => {
      child.off('exit', fail);
      resolve(answer);
    });
    child.send(message);
  });
}

/** A port that is free now, for servers that cannot choose one themselves. @returns {Promise<number>} */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    });
  });
}

/** Ends and removes whatever is left. */
export async function endEverything() {
  await Promise.all([...children].map(stopChild));
  for (const folder of folders) removeFolder(folder);
}

let interrupted = false;
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
  process.on(signal, () => {
    if (interrupted) process.exit(1);
    interrupted = true;
    void endEverything().finally(() => process.exit(signal === 'SIGINT' ? 130 : 143));
  });
}
