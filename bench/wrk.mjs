import { fileURLToPath } from 'node:url';
import { cpuSeconds, cpuSecondsOfEnded } from './process-numbers.mjs';
import * as programs from './programs.mjs';
import { finished } from './readers.mjs';

const SCRIPT = fileURLToPath(new URL('random-ranges.lua', import.meta.url));

/**
 * @typedef {{
 *   requestsPerSecond: number, bytesPerSecond: number, cpuSecondsPerGigabyte: number, clientCpuSecondsPerGigabyte: number, medianMs: number,
 * }} RangeLoad
 */

/**
 * Many clients that read ranges of one length at random places as fast as they can, on kept-alive connections.
 * @param {string} url
 * @param {{ size: number, length: number, clients: number, threads: number, seconds: number, serverPid: number }} options
 * @returns {Promise<RangeLoad>}
 */
export async function readRanges(url, { size, length, clients, threads, seconds, serverPid }) {
  const args = ['-t', threads, '-c', clients, '-d', `${seconds}s`, '--timeout', '10s', '-s', SCRIPT, url, '--', size, length].map(String);
  const before = cpuSeconds(serverPid);
  const clientBefore = cpuSecondsOfEnded();
  const output = await finished(programs.require('wrk'), args);
  const cpu = cpuSeconds(serverPid) - before;
  const clientCpu = cpuSecondsOfEnded() - clientBefore;
  /** @type {{ requests: number, bytes: number, microseconds: number, failed: number, medianMicroseconds: number }} */
  const told = JSON.parse(output.slice(output.lastIndexOf('{')));
  if (told.failed > 0) throw new Error(`${told.failed} of ${told.requests} requests to ${url} failed`);
  // wrk counts what arrived, so the last range of each connection may be a part.
  if (told.bytes < told.requests * length) throw new Error(`${url} gave ${told.bytes} bytes for ${told.requests} ranges of ${length}`);
  const bytesPerSecond = told.bytes / (told.microseconds / 1e6);
  return {
    requestsPerSecond: bytesPerSecond / length,
    bytesPerSecond,
    cpuSecondsPerGigabyte: cpu / (told.bytes / 1e9),
    clientCpuSecondsPerGigabyte: clientCpu / (told.bytes / 1e9),
    medianMs: told.medianMicroseconds / 1000,
  };
}
