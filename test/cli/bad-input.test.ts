import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { PlainDatabase } from '../../scripts/plain-database.mjs';
import type { Finished } from '../support/child-process.ts';
import { seekwell, seekwellBound } from '../support/daemon.ts';
import { afterThisTest, temporaryFolder } from '../support/temp-folder.ts';

const APPLICATION_ID = 0x5345_454b;
const URL_WITH_SECRETS = 'http://name:geheim@127.0.0.1:9/film.mkv?token=geheim';

let folder: string;
let cacheDir: string;

beforeEach(async () => {
  folder = await temporaryFolder();
  cacheDir = join(folder, 'cache');
});

/** Everything below `folder`: names, sizes, times, contents. */
async function picture(): Promise<string[]> {
  const items = await readdir(folder, { recursive: true, withFileTypes: true });
  const lines = items.map(async (item) => {
    const path = join(item.parentPath, item.name);
    if (!item.isFile()) return `${path}/`;
    const { mtimeMs, mode } = await stat(path);
    return `${path} ${mode} ${mtimeMs} ${createHash('sha256')
      .update(await readFile(path))
      .digest('hex')}`;
  });
  return (await Promise.all(lines)).sort();
}

/** Runs the command, which must refuse in one line that names the mend, and leave everything as it was. */
async function refused(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const before = await picture();
  const finished: Finished = await seekwell(args, { env, cwd: folder });
  expect(finished).toMatchObject({ code: 2, stdout: '' });
  // What is wrong, and what to do about it.
  expect(finished.stderr).toMatch(/^seekwell: [^\n]+\. [A-Z][^\n]+\.\n$/);
  expect(finished.stderr).not.toContain('geheim');
  expect(await picture()).toEqual(before);
  return finished.stderr;
}

/** Commands of every kind that open a cache. */
const COMMANDS: readonly (readonly string[])[] = [
  ['serve', '--port', '0'],
  ['get', 'http://127.0.0.1:9/film.mkv'],
  ['url', 'http://127.0.0.1:9/film.mkv'],
  ['ls'],
  ['rm', '--all', '--yes'],
];

describe('the command line', () => {
  test.each([
    [['lst'], "unknown command 'lst' (Did you mean ls?)"],
    [[URL_WITH_SECRETS], 'unknown command'],
    [['ls', '--jsn'], "unknown option '--jsn'"],
    [['ls', 'extra'], 'too many arguments'],
    [['get'], "missing required argument 'url'"],
    [['serve', '--port'], 'argument missing'],
    [['pause'], "missing required argument 'entry'"],
    [['rm'], 'rm needs an entry'],
    [['rm', '1', '--all'], 'not both'],
    [['rm', '--all'], 'no terminal'],
  ])('%j', async (args, complaint) => {
    expect(await refused(args)).toContain(complaint);
  });

  test('without anything is answered with the help', async () => {
    const { code, stdout, stderr } = await seekwell([]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^Usage: seekwell/);
  });
});

describe('a URL', () => {
  test.each(['get', 'prefetch', 'url'])('of %s that cannot be cached', async (command) => {
    for (const url of ['film.mkv', 'ftp://name:geheim@host/film.mkv', 'http://', 'file:///etc/passwd']) {
      expect(await refused([command, url, '--cache-dir', cacheDir])).toContain('not an absolute http:// or https:// URL');
    }
  });

  test.each([
    [['-H', 'geheim'], 'is not a header'],
    [['-H', 'X-Key: a\nX-Other: geheim'], 'HTTP cannot carry'],
    [['--user', 'geheim'], '--user has no password'],
    [['--cookies', 'none.txt'], 'cannot be read (ENOENT)'],
  ])('with %j', async (args, complaint) => {
    expect(await refused(['url', 'http://127.0.0.1:9/film.mkv', '--cache-dir', cacheDir, ...args])).toContain(complaint);
  });
});

describe('an entry that is not there', () => {
  test.each(['status', 'pause', 'resume', 'retry', 'pin', 'unpin', 'rm', 'verify'])('for %s', async (command) => {
    expect(await refused([command, '7', '--cache-dir', cacheDir])).toContain('there is no entry "7"');
    expect(await refused([command, URL_WITH_SECRETS, '--cache-dir', cacheDir])).toContain('there is no entry http://127.0.0.1:9/film.mkv');
    expect(await refused([command, 'name:geheim@host', '--cache-dir', cacheDir])).toContain('there is no entry');
  });
});

describe('an option out of range', () => {
  test.each([
    ['serve', '--port', '70000'],
    ['serve', '--max-size', 'lots'],
    ['serve', '--min-free', '200%'],
    ['serve', '--connections', '0'],
    ['serve', '--chunk-size', '1'],
    ['serve', '--lookahead', 'far'],
    ['serve', '--fill', 'watched'],
    ['serve', '--limit-rate', '0'],
    ['serve', '--durability', 'none'],
    ['serve', '--workers', '65'],
    ['serve', '--workers', '9'],
    ['serve', '--database', 'postgres://name:geheim@host/db'],
    ['serve', '--token-file', 'none'],
    ['serve', '--public-url', 'https://name:geheim@host'],
    ['serve', '--drain-timeout', 'later'],
    ['serve', '--log-level', 'loud'],
    ['serve', '--host', '0.0.0.0'],
    ['serve', '--host', '::'],
    ['get', '--limit-rate', 'fast'],
    ['prefetch', '--bytes', '10%'],
  ])('%s %s %s', async (command, option, value) => {
    const url = command === 'serve' ? [] : ['http://127.0.0.1:9/film.mkv'];
    await refused([command, ...url, option, value, '--cache-dir', cacheDir]);
  });

  test('in the environment', async () => {
    expect(await refused(['serve', '--cache-dir', cacheDir], { SEEKWELL_PORT: 'x' })).toContain('SEEKWELL_PORT "x"');
    expect(await refused(['ls', '--cache-dir', cacheDir], { SEEKWELL_PORT: 'x' })).toContain('SEEKWELL_PORT "x"');
  });
});

describe('a configuration file', () => {
  test.each([
    ['with an unknown key', 'prot: 1', 'there is no setting "prot"'],
    ['with a wrong value', 'connections: x', 'connections in '],
    ['that is not YAML', 'port: [', 'at line'],
  ])('%s', async (_what, text, complaint) => {
    const file = join(folder, 'config.yaml');
    await writeFile(file, text);
    for (const command of COMMANDS) {
      const line = await refused([...command, '--cache-dir', cacheDir, '--config', file]);
      expect(line).toContain(complaint);
      expect(line).toContain(file);
    }
  });

  test('that is not there, or a folder', async () => {
    expect(await refused(['serve', '--cache-dir', cacheDir, '--config', 'none.yaml'])).toContain('does not exist');
    expect(await refused(['ls', '--cache-dir', cacheDir, '--config', folder])).toContain('is a folder');
  });

  test.skipIf(process.platform === 'win32')('that may not be read', async () => {
    const file = join(folder, 'config.yaml');
    await writeFile(file, 'port: 1');
    await chmod(file, 0);
    expect(await refusedBound(['serve', '--cache-dir', cacheDir, '--config', file])).toContain('may not be read');
  });

  test("in the platform's folder counts for every command", async () => {
    const home = join(folder, 'home');
    const places = ['.config/seekwell', 'Library/Preferences/seekwell', 'seekwell/Config'].map((place) => join(home, place));
    for (const place of places) {
      await mkdir(place, { recursive: true });
      await writeFile(join(place, 'config.yaml'), 'prot: 1');
    }
    const env = { HOME: home, USERPROFILE: home, APPDATA: home, LOCALAPPDATA: home };
    for (const command of COMMANDS) await refused([...command, '--cache-dir', cacheDir], env);
  });
});

/** As `refused`, for somebody whom permission bits bind. */
async function refusedBound(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await seekwellBound(args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/^seekwell: [^\n]+\n$/);
  return stderr;
}

describe('a cache folder', () => {
  test('that is a file', async () => {
    await writeFile(cacheDir, 'mine');
    for (const command of COMMANDS) expect(await refused([...command, '--cache-dir', cacheDir])).toContain('is a file, not a folder');
  });

  test('that lies below a file', async () => {
    await writeFile(cacheDir, 'mine');
    for (const command of COMMANDS) expect(await refused([...command, '--cache-dir', join(cacheDir, 'below')])).toContain('ENOTDIR');
  });

  test.skipIf(process.platform !== 'linux')('that cannot be made', async () => {
    expect(await refused(['serve', '--port', '0', '--cache-dir', '/sys/seekwell'])).toContain('may not be written');
    expect(await refused(['url', 'http://127.0.0.1:9/film.mkv', '--cache-dir', '/sys/seekwell'])).toContain('may not be written');
    expect(await refused(['serve', '--port', '0', '--cache-dir', '/proc/seekwell/below'])).toContain('ENOENT');
  });

  test.skipIf(process.platform === 'win32')('that may not be written', async () => {
    await mkdir(cacheDir, { mode: 0o500 });
    afterThisTest(() => chmod(cacheDir, 0o700));
    expect(await refusedBound(['serve', '--port', '0', '--cache-dir', cacheDir])).toContain('may not be written');
    expect(await readdir(cacheDir)).toEqual([]);
  });
});

describe('a database', () => {
  /** Makes the database what `change` makes of an empty one. */
  async function database(change: (database: PlainDatabase) => void): Promise<void> {
    await mkdir(cacheDir);
    const made = new PlainDatabase(join(cacheDir, 'seekwell.db'));
    change(made);
    made.close();
  }

  test('of a newer version', async () => {
    await database((made) => {
      made.exec(`CREATE TABLE cache_entries (id INTEGER); PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = 9999`);
    });
    for (const command of COMMANDS) expect(await refused([...command, '--cache-dir', cacheDir])).toContain('version 9999');
  });

  test('of another program', async () => {
    await database((made) => {
      made.exec('CREATE TABLE notes (text TEXT); PRAGMA application_id = 1; PRAGMA user_version = 1');
    });
    for (const command of COMMANDS) expect(await refused([...command, '--cache-dir', cacheDir])).toContain('another program');
  });

  test.each([
    ['text', 'no database at all, but a text that somebody keeps under this name. '.repeat(20)],
    ['a short file', 'SQLite'],
  ])('that is %s', async (_what, text) => {
    await mkdir(cacheDir);
    await writeFile(join(cacheDir, 'seekwell.db'), text);
    for (const command of COMMANDS) expect(await refused([...command, '--cache-dir', cacheDir])).toContain('is not a database');
  });

  test('that is a folder', async () => {
    await mkdir(join(cacheDir, 'seekwell.db'), { recursive: true });
    for (const command of COMMANDS) await refused([...command, '--cache-dir', cacheDir]);
  });
});

describe('an address', () => {
  test('that somebody else listens on', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    afterThisTest(() => taken.close());
    const { port } = taken.address() as { port: number };
    const { code, stdout, stderr } = await seekwell(['serve', '--cache-dir', cacheDir, '--port', String(port), '--log-level', 'silent']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^seekwell: 127\.0\.0\.1:\d+ is in use already\. [^\n]+\n$/);
  });
});

describe('an output file', () => {
  test.each([
    ['a folder', 'out', 'is a folder'],
    ['in a folder that is not there', 'none/film.mkv', 'does not exist'],
    ['below a file', 'mine/film.mkv', 'what is not a folder'],
  ])('that is %s', async (_what, output, complaint) => {
    await mkdir(join(folder, 'out'));
    await writeFile(join(folder, 'mine'), '');
    expect(await refused(['get', 'http://127.0.0.1:9/film.mkv', '--cache-dir', cacheDir, '-o', output])).toContain(complaint);
  });

  test('is looked at before the cache', async () => {
    await rm(cacheDir, { force: true, recursive: true });
    await refused(['get', 'http://127.0.0.1:9/film.mkv', '--cache-dir', cacheDir, '-o', folder]);
  });
});
