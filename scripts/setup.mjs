import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

// Installs and builds what is missing or out of date, and does nothing else. Everything it prints goes to stderr, because
// stdout belongs to the program that is started after it. It runs before anything is installed: Node built-ins only.

export const root = fileURLToPath(new URL('..', import.meta.url));
const lockFile = join(root, 'package-lock.json');
const installStamp = join(root, 'node_modules', '.seekwell-lock-hash');
const source = join(root, 'src');
const output = join(root, 'dist');
const buildStamp = join(output, '.built');
const mutex = join(root, '.setup-lock');
/** As in load-driver.ts, which is not compiled yet: from here on better-sqlite3 is not used, and need not load. */
const hasBuiltInSqlite = Number.parseInt(process.versions.node, 10) >= 24;

/** Installs the packages of package-lock.json, unless node_modules holds them already. */
export async function ensureInstalled() {
  if (read(installStamp) === wantedInstall()) return;
  await alone(() => {
    if (read(installStamp) === wantedInstall()) return;
    if (!holdsLockedPackages()) {
      say('Installing packages (npm ci) ...');
      npm('ci', '--include=dev');
    }
    if (!hasBuiltInSqlite && !nativeModuleLoads()) {
      say('Building better-sqlite3 for this version of Node ...');
      npm('rebuild', 'better-sqlite3');
    }
    writeFileSync(installStamp, wantedInstall());
  });
}

/** Compiles src to dist, unless dist was built from exactly these sources. */
export async function ensureBuilt() {
  if (isBuilt()) return;
  await alone(() => {
    if (isBuilt()) return;
    const inputs = wantedBuild();
    rmSync(buildStamp, { force: true });
    removeStaleOutput();
    compile();
    if (!hasEveryOutput()) {
      // tsc trusts its record of what it emitted: without the record it emits everything again.
      rmSync(join(output, '.tsbuildinfo'), { force: true });
      compile();
    }
    mkdirSync(output, { recursive: true });
    writeFileSync(buildStamp, inputs);
  });
}

/** Both of the above. A failure is one line on stderr and exit 1. */
export async function setUp() {
  try {
    await ensureInstalled();
    await ensureBuilt();
  } catch (error) {
    say(`Set-up failed: ${error instanceof Error ? error.message : error}`);
    process.exit(1);
  }
}

/** What the install stamp says when node_modules fits: the lock file, and the Node that the native module was built for. */
function wantedInstall() {
  return `${createHash('sha256').update(readFileSync(lockFile)).digest('hex')} ${process.platform} ${process.arch} ${process.versions.modules}\n`;
}

/** Whether npm's own record of node_modules has every package of the lock file, as after an `npm install` by hand. */
function holdsLockedPackages() {
  const record = read(join(root, 'node_modules', '.package-lock.json'));
  if (record === undefined) return false;
  const installed = JSON.parse(record).packages;
  return Object.entries(JSON.parse(readFileSync(lockFile, 'utf8')).packages).every(([path, wanted]) => {
    if (path === '') return true;
    const found = installed[path];
    return found === undefined ? wanted.optional === true : found.version === wanted.version && found.integrity === wanted.integrity;
  });
}

function nativeModuleLoads() {
  const program = "new (require('better-sqlite3'))(':memory:').close()";
  return spawnSync(process.execPath, ['-e', program], { cwd: root, stdio: 'ignore' }).status === 0;
}

function isBuilt() {
  return read(buildStamp) === wantedBuild() && hasEveryOutput();
}

/** What the build stamp says when dist fits: a hash over every input of the compiler. */
function wantedBuild() {
  const hash = createHash('sha256');
  for (const file of [...sourceFiles(), join(root, 'tsconfig.json'), join(root, 'package.json')]) {
    hash
      .update(`${relative(root, file)}\0`)
      .update(readFileSync(file))
      .update('\0');
  }
  return `${hash.update(read(installStamp) ?? '').digest('hex')}\n`;
}

function hasEveryOutput() {
  return sourceFiles().every((file) => existsSync(join(output, relative(source, file).replace(/\.ts$/, '.js'))));
}

/** Removes what was compiled from files that are gone: a stale module could still be imported, or be published. */
function removeStaleOutput() {
  for (const file of files(output)) {
    const stem = /^(.*?)(?:\.d\.ts|\.js)(?:\.map)?$/.exec(relative(output, file))?.[1];
    if (stem !== undefined && !existsSync(join(source, `${stem}.ts`))) rmSync(file);
  }
}

function compile() {
  run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', join(root, 'tsconfig.json')], 'tsc');
}

/** @param {string[]} args */
function npm(...args) {
  // Inside `npm start` and friends this is the very npm that runs us.
  const cli = process.env.npm_execpath;
  const isNpm = cli !== undefined && /npm-cli\.c?js$/.test(cli);
  if (isNpm) run(process.execPath, [cli, ...args], `npm ${args[0]}`);
  else run(process.platform === 'win32' ? 'npm.cmd' : 'npm', args, `npm ${args[0]}`);
}

/** Where this Node's own headers are, for node-gyp: it downloads them otherwise, whether they are installed or not. Nothing where they are not, or are another version's. */
function headers() {
  const folder = dirname(dirname(realpathSync(process.execPath)));
  const text = read(join(folder, 'include', 'node', 'node_version.h')) ?? '';
  const version = ['MAJOR', 'MINOR', 'PATCH'].map((part) => new RegExp(`define NODE_${part}_VERSION (\\d+)`).exec(text)?.[1]).join('.');
  return version === process.versions.node ? { npm_config_nodedir: folder } : {};
}

/** @param {string} command @param {string[]} args @param {string} name */
function run(command, args, name) {
  const env = { ...headers(), ...process.env };
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], shell: command.endsWith('.cmd'), env });
  if (error) throw new Error(`${name} could not start: ${error.message}`);
  if (status !== 0) throw new Error(`${name} ended with ${signal ?? `exit code ${status}`}`);
}

/**
 * Runs `work` while no other process does: two starts on a fresh clone must not install into each other's folder.
 *
 * @param {() => void} work
 */
async function alone(work) {
  while (!takeMutex()) await new Promise((resolve) => setTimeout(resolve, 100));
  try {
    work();
  } finally {
    rmSync(mutex, { force: true });
  }
}

function takeMutex() {
  try {
    writeFileSync(mutex, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  const owner = Number(read(mutex));
  if (owner > 0 && !isAlive(owner)) rmSync(mutex, { force: true });
  return false;
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

function sourceFiles() {
  return files(source).filter((file) => file.endsWith('.ts'));
}

/** @param {string} folder @returns {string[]} every file below `folder`, sorted; none where it does not exist */
function files(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((item) => item.isFile())
    .map((item) => join(item.parentPath, item.name))
    .sort();
}

/** @param {string} file @returns {string | undefined} its text, or undefined where it does not exist */
function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** @param {unknown} error */
function codeOf(error) {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

/** @param {string} line */
function say(line) {
  process.stderr.write(`${line}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await setUp();
