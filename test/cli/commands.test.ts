import { access, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { end } from '../support/child-process.ts';
import { Daemon, type EntryJson, seekwell } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import { firstDifference } from '../support/seeded-bytes.ts';
import { temporaryFolder } from '../support/temp-folder.ts';
import { spawnCli } from './spawn-cli.ts';

const MIB = 1024 * 1024;

/** Runs a command that must succeed, and returns what it said. */
async function ran(cacheDir: string, ...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await seekwell([...args, '--cache-dir', cacheDir]);
  expect(code, stderr).toBe(0);
  return { stdout, stderr };
}

async function entries(cacheDir: string): Promise<EntryJson[]> {
  return JSON.parse((await ran(cacheDir, 'ls', '--json')).stdout) as EntryJson[];
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

describe('without a cache', () => {
  test('commands that look find nothing, and make nothing', async () => {
    const cacheDir = join(await temporaryFolder(), 'cache');
    expect((await ran(cacheDir, 'ls')).stdout).toBe('The cache is empty.\n');
    expect(await entries(cacheDir)).toEqual([]);
    expect(JSON.parse((await ran(cacheDir, 'status', '--json')).stdout)).toMatchObject({
      cacheDir,
      server: null,
      entries: 0,
      cacheBytes: 0,
    });
    expect((await ran(cacheDir, 'rm', '--all', '--yes')).stdout).toBe('');
    expect(await isThere(cacheDir)).toBe(false);
  });
});

describe('help', () => {
  test('and version go to stdout', async () => {
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
    expect(await seekwell(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' });
    const help = await seekwell(['--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    for (const command of [
      'serve',
      'get',
      'prefetch',
      'url',
      'ls',
      'status',
      'pause',
      'resume',
      'retry',
      'pin',
      'unpin',
      'rm',
      'gc',
      'verify',
    ]) {
      expect(help.stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
      const own = await seekwell([command, '--help']);
      expect(own, command).toMatchObject({ code: 0, stderr: '' });
      expect(own.stdout).toMatch(new RegExp(`^Usage: seekwell ${command}`));
    }
  });
});

describe('url', () => {
  test('registers a URL once and tells where a daemon would serve it', async () => {
    const cacheDir = await temporaryFolder();
    const first = await ran(cacheDir, 'url', 'http://127.0.0.1:9/film.mkv?sig=geheim');
    expect(first.stdout).toMatch(/^http:\/\/127\.0\.0\.1:7335\/stream\/url\/[0-9a-f]{16}\/original\/film\.mkv\n$/);
    expect(first.stderr).toMatch(/^No daemon serves this cache now[^\n]+\n$/);
    expect((await ran(cacheDir, 'url', 'http://127.0.0.1:9/film.mkv?sig=geheim')).stdout).toBe(first.stdout);
    expect(await entries(cacheDir)).toHaveLength(1);
  });

  test('is signed where a token is configured, and begins as configured', async () => {
    const cacheDir = await temporaryFolder();
    const env = { SEEKWELL_TOKEN: 'abc', SEEKWELL_PUBLIC_URL: 'https://media.example.org/' };
    const { stdout } = await seekwell(['url', 'http://127.0.0.1:9/film.mkv', '--cache-dir', cacheDir], { env });
    expect(stdout).toMatch(/^https:\/\/media\.example\.org\/stream\/url\/[0-9a-f]+\/original\/film\.mkv\?sig=[\w-]+\n$/);
  });

  test('tells where the daemon serves it', async () => {
    const cacheDir = await temporaryFolder();
    const origin = await ScriptedOrigin.start();
    const film = origin.add('/film.mkv', { size: 1000 });
    const daemon = await Daemon.start({ cacheDir });
    const { stdout, stderr } = await ran(cacheDir, 'url', film.url);
    expect(stderr).toBe('');
    expect(stdout.startsWith(`${daemon.baseUrl}/stream/`)).toBe(true);
    const body = new Uint8Array(await (await fetch(stdout.trim())).arrayBuffer());
    expect(firstDifference(film.seed, 0, body)).toBeNull();
    expect(body).toHaveLength(1000);
  });
});

describe('secrets', () => {
  test('appear nowhere', async () => {
    const cacheDir = await temporaryFolder();
    await ran(cacheDir, 'url', 'http://name:geheim@127.0.0.1:9/film.mkv?sig=geheim', '-H', 'X-Key: geheim', '--user', 'me:geheim');
    for (const args of [['ls'], ['ls', '--json'], ['status', '1'], ['status', '1', '--json'], ['status'], ['pin', '1'], ['rm', '1']]) {
      const { stdout, stderr } = await ran(cacheDir, ...args);
      expect(stdout + stderr, args.join(' ')).not.toContain('geheim');
    }
  });
});

describe('entries', () => {
  test('are named by id, key and URL, several at a time, all or none', async () => {
    const cacheDir = await temporaryFolder();
    const urls = ['http://127.0.0.1:9/a.mkv', 'http://127.0.0.1:9/b.mkv', 'http://127.0.0.1:9/c.mkv'];
    for (const url of urls) await ran(cacheDir, 'url', url);
    const [a, b, c] = await entries(cacheDir);
    const key = `${b?.source}/${b?.media}/${b?.quality}`;
    expect((await seekwell(['pin', String(a?.id), key, '99', '--cache-dir', cacheDir])).code).toBe(2);
    expect((await entries(cacheDir)).map(({ pinned }) => pinned)).toEqual([false, false, false]);
    const { stdout } = await ran(cacheDir, 'pin', String(a?.id), key, urls[2] ?? '');
    expect(stdout).toBe(`Pinned ${a?.id} a.mkv\nPinned ${b?.id} b.mkv\nPinned ${c?.id} c.mkv\n`);
    expect((await entries(cacheDir)).map(({ pinned }) => pinned)).toEqual([true, true, true]);
    await ran(cacheDir, 'unpin', String(a?.id));
    expect((await entries(cacheDir)).map(({ pinned }) => pinned)).toEqual([false, true, true]);
    await ran(cacheDir, 'rm', String(a?.id), String(a?.id), key);
    expect((await entries(cacheDir)).map(({ filename }) => filename)).toEqual(['c.mkv']);
    expect((await ran(cacheDir, 'rm', '--all', '--yes')).stdout).toBe(`Removed ${c?.id} c.mkv\n`);
    expect(await entries(cacheDir)).toEqual([]);
  });
});

describe('with a daemon', () => {
  test('pause, resume and prefetch reach it through the database', async () => {
    const cacheDir = await temporaryFolder();
    const origin = await ScriptedOrigin.start();
    const film = origin.add('/film.mkv', { size: 12 * MIB, rate: MIB / 4 });
    await Daemon.start({ cacheDir });
    expect((await ran(cacheDir, 'prefetch', film.url)).stderr).toBe('');
    const state = async (): Promise<EntryJson | undefined> => (await entries(cacheDir))[0];
    await eventually('bytes arrive', async () => ((await state())?.downloadedBytes ?? 0) > MIB);
    await ran(cacheDir, 'pause', '1');
    await eventually('it is paused', async () => (await state())?.state === 'Paused');
    const { downloadedBytes } = (await state()) ?? { downloadedBytes: 0 };
    expect(downloadedBytes).toBeLessThan(12 * MIB);
    film.behave({ rate: null });
    await ran(cacheDir, 'resume', '1');
    await eventually('it is complete', async () => (await state())?.state === 'Complete');
    expect(JSON.parse((await ran(cacheDir, 'status', '1', '--json')).stdout)).toMatchObject({
      state: 'Complete',
      ranges: [[0, 12 * MIB - 1]],
    });
  });

  test('prefetch --bytes asks for both ends', async () => {
    const cacheDir = await temporaryFolder();
    const origin = await ScriptedOrigin.start();
    const film = origin.add('/film.mkv', { size: 20 * MIB });
    await Daemon.start({ cacheDir });
    await ran(cacheDir, 'prefetch', film.url, '--bytes', '1MiB');
    const ranges = await eventually('both ends are there', async () => {
      const { ranges } = JSON.parse((await ran(cacheDir, 'status', '1', '--json')).stdout) as { ranges: [number, number][] };
      return ranges.length === 2 && ranges;
    });
    expect(ranges).toEqual([
      [0, MIB - 1],
      [19 * MIB, 20 * MIB - 1],
    ]);
  });

  test('retry mends what the origin mended', async () => {
    const cacheDir = await temporaryFolder();
    const origin = await ScriptedOrigin.start();
    const film = origin.add('/film.mkv', { size: 6 * MIB, status: 404 });
    await Daemon.start({ cacheDir });
    const failed = await seekwell(['prefetch', film.url, '--cache-dir', cacheDir]);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toMatch(/^seekwell: the origin answered 404[^\n]+\n$/);
    expect((await entries(cacheDir))[0]).toMatchObject({ state: 'Failed', error: expect.stringContaining('404') });
    film.behave({ status: null });
    await ran(cacheDir, 'retry', film.url);
    await eventually('it is complete', async () => (await entries(cacheDir))[0]?.state === 'Complete');
  });
});

describe('get', () => {
  test('exports a plain file, and goes on where another run left off', async () => {
    const cacheDir = await temporaryFolder();
    const out = join(await temporaryFolder(), 'film.mkv');
    const origin = await ScriptedOrigin.start();
    const film = origin.add('/film.mkv', { size: 9 * MIB });
    await writeFile(out, 'what was here before');
    const first = await ran(cacheDir, 'get', film.url, '-o', out);
    expect(first.stdout).toBe('');
    expect(first.stderr).toMatch(/^Complete: film\.mkv to [^\n]+\n$/);
    expect(firstDifference(film.seed, 0, await readFile(out))).toBeNull();
    expect((await stat(out)).size).toBe(9 * MIB);
    expect((await stat(out)).mode & 0o777).toBe(0o666 & ~process.umask());
    const requests = film.requests.length;
    expect((await ran(cacheDir, 'get', film.url)).stderr).toContain('nothing was left to fetch');
    expect(film.requests.length).toBe(requests);
  });

  test('-o - writes to stdout', async () => {
    const cacheDir = await temporaryFolder();
    const origin = await ScriptedOrigin.start();
    const film = origin.add('/film.txt', { size: 100_000 });
    const { stdout } = await ran(cacheDir, 'get', film.url, '-o', '-');
    // The bytes are no text: count what a decoder cannot spoil.
    expect(stdout.length).toBeGreaterThan(50_000);
    expect((await entries(cacheDir))[0]?.state).toBe('Complete');
  });

  test('ends at Ctrl-C with what it has, and goes on from there', async () => {
    const cacheDir = await temporaryFolder();
    const origin = await ScriptedOrigin.start();
    const film = origin.add('/film.mkv', { size: 8 * MIB, rate: MIB });
    const get = spawnCli(['get', film.url, '--cache-dir', cacheDir]);
    await eventually('bytes are there', async () => ((await entries(cacheDir))[0]?.downloadedBytes ?? 0) > MIB);
    expect(await end(get.child, 'SIGINT')).toBe(130);
    expect(get.stderr()).toMatch(/^Stopped\. [^\n]+\n$/);
    const before = (await entries(cacheDir))[0];
    expect(before).toMatchObject({ state: 'Downloading' });
    film.behave({ rate: null });
    await ran(cacheDir, 'get', film.url);
    expect((await entries(cacheDir))[0]).toMatchObject({ state: 'Complete', downloadedBytes: 8 * MIB });
    // What had been recorded was not fetched again; the end of a connection loses what was under way.
    expect(
      film
        .coverage()
        .filter(({ times }) => times > 1)
        .reduce((sum, { start, end: last }) => sum + last - start + 1, 0),
    ).toBeLessThan(3 * MIB);
  });

  test('shows why an origin fails', async () => {
    const cacheDir = await temporaryFolder();
    const origin = await ScriptedOrigin.start();
    const missing = origin.add('/none.mkv', { size: 1, status: 404 });
    const gone = await seekwell(['get', missing.url, '--cache-dir', cacheDir]);
    expect(gone).toMatchObject({ code: 1, stdout: '' });
    expect(gone.stderr).toMatch(/seekwell: the origin answered 404 Not Found\. [^\n]+\n$/);
    const unreachable = await seekwell(['get', 'http://127.0.0.1:9/film.mkv', '--cache-dir', cacheDir]);
    expect(unreachable).toMatchObject({ code: 1, stdout: '' });
    expect(unreachable.stderr).toMatch(/^seekwell: [^\n]+\n$/);
  });

  test('tries a failed entry again', async () => {
    const cacheDir = await temporaryFolder();
    const origin = await ScriptedOrigin.start();
    const film = origin.add('/film.mkv', { size: MIB, status: 404 });
    expect((await seekwell(['get', film.url, '--cache-dir', cacheDir])).code).toBe(1);
    film.behave({ status: null });
    await ran(cacheDir, 'get', film.url);
  });

  test('sends what it was told to, and keeps it', async () => {
    const cacheDir = await temporaryFolder();
    const origin = await ScriptedOrigin.start();
    const film = origin.add('/film.mkv', {
      size: MIB,
      guard: (_query, headers) => (headers.authorization === 'Basic bWU6cHc=' && headers['x-key'] === 'abc' ? null : 401),
    });
    await ran(cacheDir, 'url', film.url, '--user', 'me:pw', '-H', 'X-Key: abc');
    await ran(cacheDir, 'get', film.url);
  });

  test('refuses what is larger than the cache', async () => {
    const cacheDir = await temporaryFolder();
    const origin = await ScriptedOrigin.start();
    const film = origin.add('/film.mkv', { size: 8 * MIB });
    const { code, stderr } = await seekwell(['get', film.url, '--cache-dir', cacheDir, '--max-size', '5MiB']);
    expect(code).toBe(1);
    expect(stderr).toContain('seekwell: the resource has 8.00 MiB, the cache takes 5.00 MiB. Raise --max-size.');
  });

  test('works beside a daemon on the same cache', async () => {
    const cacheDir = await temporaryFolder();
    const origin = await ScriptedOrigin.start();
    const film = origin.add('/film.mkv', { size: 16 * MIB, rate: 4 * MIB });
    const daemon = await Daemon.start({ cacheDir });
    const entry = await daemon.register(film.url, { prefetch: true });
    await eventually('the daemon fetches', async () => (await daemon.entry(entry.id)).downloadedBytes > MIB);
    const out = join(await temporaryFolder(), 'film.mkv');
    await ran(cacheDir, 'get', film.url, '-o', out);
    expect(firstDifference(film.seed, 0, await readFile(out))).toBeNull();
    // Work that one process takes over from the other is noticed within half a second.
    expect(film.bytesSent).toBeLessThan(20 * MIB);
  });
});
