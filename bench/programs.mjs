import { spawnSync } from 'node:child_process';
import { findProgram } from '../scripts/debian-packages.mjs';

// The programs that the benchmarks drive beside Seekwell, and the command that installs each.

const INSTALL = /** @type {const} */ ({
  nginx: 'apt-get install nginx-light',
  rclone: 'apt-get install rclone',
  wrk: 'apt-get install wrk',
  curl: 'apt-get install curl',
});

/** @typedef {keyof typeof INSTALL} Program */

/** @param {Program} program @returns {string | null} its path, also where PATH lacks the folders of daemons */
export function find(program) {
  return findProgram(program) ?? null;
}

/** @param {Program} program @returns {string} */
export function require(program) {
  const path = find(program);
  if (path === null) throw new Error(missing(program));
  return path;
}

/** One line that names the mend. @param {Program} program */
export function missing(program) {
  return `${program} is not installed; to install it: ${INSTALL[program]}`;
}

/** @param {Program} program @param {string[]} args what it prints, on either stream; empty where it is not there */
export function output(program, args) {
  const path = find(program);
  if (path === null) return '';
  const { stdout, stderr } = spawnSync(path, args, { encoding: 'utf8' });
  return `${stdout}${stderr}`;
}
