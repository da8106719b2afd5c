import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The programs that tests drive, and the Debian package each comes from. */
export const PACKAGE_OF = /** @type {const} */ ({
  'c++': 'g++',
  ffmpeg: 'ffmpeg',
  ffprobe: 'ffmpeg',
  mpv: 'mpv',
  nginx: 'nginx-light',
  rclone: 'rclone',
});

/** @typedef {keyof typeof PACKAGE_OF} Program */

/** @param {string} program @returns {string | undefined} its path, also where PATH lacks the folders of daemons */
export function findProgram(program) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  return folders.map((folder) => join(folder, program)).find(isExecutable);
}

/** Installs the packages of missing programs where that can be done unasked: as root on Debian. Elsewhere names them. */
export function installMissingPackages() {
  const packages = missingPackages();
  if (packages.length === 0) return;
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) return nameMissing(packages);
  process.stderr.write(`Installing Debian packages for the tests: ${packages.join(' ')}\n`);
  apt('update');
  apt('install', '-y', '--no-install-recommends', ...packages);
  nameMissing(missingPackages());
}

function missingPackages() {
  const missing = /** @type {Program[]} */ (Object.keys(PACKAGE_OF)).filter((program) => findProgram(program) === undefined);
  return [...new Set(missing.map((program) => PACKAGE_OF[program]))];
}

/** @param {string[]} packages */
function nameMissing(packages) {
  for (const name of packages) process.stderr.write(`Some tests need the Debian package ${name}, which is not installed.\n`);
}

/** @param {string[]} args */
function apt(...args) {
  spawnSync('apt-get', args, { stdio: ['ignore', 2, 2], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
}

/** @param {string} file */
function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
