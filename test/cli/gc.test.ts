import { access, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { PlainDatabase } from '../../scripts/plain-database.mjs';
import { filePathOf } from '../support/cache-folder.ts';
import { Daemon, type EntryJson, seekwell } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import { firstDifference } from '../support/seeded-bytes.ts';
import { temporaryFolder } from '../support/temp-folder.ts';

const MIB = 1024 * 1024;

/** Runs a command that must succeed without a complaint, and returns what it printed. */
async function ran(cacheDir: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await seekwell([...args, '--cache-dir', cacheDir]);
  expect({ code, stderr: args[0] === 'get' ? '' : stderr }, stderr).toEqual({ code: 0, stderr: '' });
  return stdout;
}

async function sizes(cacheDir: string): Promise<number[]> {
  const entries = JSON.parse(await ran(cacheDir, 'ls', '--json')) as EntryJson[];
  return entries.map(({ downloadedBytes }) => downloadedBytes / MIB);
}

describe('gc', () => {
  test('without a cache has nothing to do, and makes none', async () => {
    const cacheDir = join(await temporaryFolder(), 'cache');
    expect(await ran(cacheDir, 'gc')).toBe('Nothing to clear; the cache holds 0 B.\n');
    expect(JSON.parse(await ran(cacheDir, 'gc', '--json'))).toMatchObject({ evictedEntries: 0, strayFiles: 0, limitBytes: null });
    await expect(access(cacheDir)).rejects.toThrow();
  });

  test('without a daemon evicts to the quota, sparing what is pinned, and says what it did in one line', async () => {
    const cacheDir = await temporaryFolder();
    const origin = await ScriptedOrigin.start();
    for (const name of ['a', 'b', 'c']) await ran(cacheDir, 'get', origin.add(`/${name}.mkv`, { size: 2 * MIB }).url);
    expect(await ran(cacheDir, 'pin', '1')).toBe('Pinned 1 a.mkv\n');
    expect(await ran(cacheDir, 'status', '1')).toMatch(/^Pinned +yes$/m);
    const stray = join(cacheDir, 'files/00/stray');
    await mkdir(dirname(stray), { recursive: true });
    await writeFile(stray, 'x');
    const line = 'Evicted 1 entry (2.00 MiB), removed 1 file that no entry owns; the cache holds 4.00 MiB of 5.00 MiB.\n';
    expect(await ran(cacheDir, 'gc', '--max-size', '5MiB')).toBe(line);
    expect(await sizes(cacheDir)).toEqual([2, 0, 2]);
    expect(JSON.parse(await ran(cacheDir, 'gc', '--max-size', '1MiB', '--json'))).toEqual({
      ...{ evictedEntries: 1, evictedBytes: 2 * MIB, finishedRemovals: 0, strayFiles: 0 },
      ...{ recordedBytes: 2 * MIB, limitBytes: MIB, excessBytes: MIB },
    });
    const over = 'Nothing to clear; the cache holds 2.00 MiB of 1.00 MiB, 1.00 MiB too many, pinned or being fetched.\n';
    expect(await ran(cacheDir, 'gc', '--max-size', '1MiB')).toBe(over);
    expect(await ran(cacheDir, 'unpin', '1')).toBe('Unpinned 1 a.mkv\n');
    expect(await ran(cacheDir, 'gc', '--max-size', '1MiB')).toMatch(/^Evicted 1 entry \(2\.00 MiB\); /);
  });

  test('--min-free counts', async () => {
    const cacheDir = await temporaryFolder();
    const origin = await ScriptedOrigin.start();
    await ran(cacheDir, 'get', origin.add('/a.mkv', { size: MIB }).url);
    expect(await ran(cacheDir, 'gc', '--min-free', '100%')).toMatch(/^Evicted 1 entry \(1\.00 MiB\); the cache holds 0 B of 0 B\.\n$/);
  });

  test('beside a daemon: what it serves is evicted, and plays again', async () => {
    const cacheDir = await temporaryFolder();
    const origin = await ScriptedOrigin.start();
    const film = origin.add('/a.mkv', { size: 2 * MIB });
    const daemon = await Daemon.start({ cacheDir });
    const { streamUrl, id } = await daemon.register(film.url);
    const read = async (): Promise<Uint8Array> => new Uint8Array(await (await fetch(streamUrl)).arrayBuffer());
    expect(firstDifference(film.seed, 0, await read())).toBeNull();
    await eventually('it is complete', async () => (await daemon.entry(id)).state === 'Complete');
    const before = filePathOf(cacheDir, id);
    expect(await ran(cacheDir, 'gc', '--max-size', '1MiB')).toMatch(/^Evicted 1 entry/);
    await expect(access(before)).rejects.toThrow();
    expect(await daemon.entry(id)).toMatchObject({ downloadedBytes: 0, spanCount: 0 });
    expect(firstDifference(film.seed, 0, await read())).toBeNull();
    await eventually('it is complete again', async () => (await daemon.entry(id)).state === 'Complete');
  });

  test('a wrong size is one line', async () => {
    const { code, stderr } = await seekwell(['gc', '--max-size', 'lots', '--cache-dir', await temporaryFolder()]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^seekwell: --max-size "lots" [^\n]+\n$/);
  });

  test('forgets daemons that were killed', async () => {
    const cacheDir = await temporaryFolder();
    const daemon = await Daemon.start({ cacheDir });
    const living = await Daemon.start({ cacheDir });
    await daemon.kill9();
    await ran(cacheDir, 'gc');
    const database = new PlainDatabase(join(cacheDir, 'seekwell.db'), { readonly: true });
    expect(database.column('SELECT base_url FROM cache_servers')).toEqual([living.baseUrl]);
    database.close();
  });
});

describe('serve', () => {
  test('--min-free and --max-size reach the engine: what cannot be kept plays', async () => {
    const cacheDir = await temporaryFolder();
    const origin = await ScriptedOrigin.start();
    const film = origin.add('/a.mkv', { size: 2 * MIB });
    const daemon = await Daemon.start({ cacheDir, args: ['--min-free', '100%'] });
    const { streamUrl, id } = await daemon.register(film.url);
    const body = new Uint8Array(await (await fetch(streamUrl)).arrayBuffer());
    expect([body.length, firstDifference(film.seed, 0, body)]).toEqual([2 * MIB, null]);
    expect((await daemon.entry(id)).downloadedBytes).toBe(0);
  });
});
