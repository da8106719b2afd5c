import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { falseSpans, recordedSpans } from '../support/cache-folder.ts';
import { runToSuccess } from '../support/child-process.ts';
import { Daemon, type EntryJson } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import type { ScriptedResource } from '../support/scripted-resource.ts';
import { firstDifference } from '../support/seeded-bytes.ts';
import { temporaryFolder } from '../support/temp-folder.ts';

const MIB = 1024 * 1024;
const SIZE = 8 * MIB;

interface Stage {
  readonly cacheDir: string;
  readonly film: ScriptedResource;
  readonly daemon: Daemon;
  readonly entry: EntryJson;
}

async function stage(rate: number | null = null): Promise<Stage> {
  const cacheDir = await temporaryFolder('faults');
  const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: SIZE, rate });
  const daemon = await Daemon.start({ cacheDir, args: ['--max-size', 'unlimited', '--min-free', '0'] });
  return { cacheDir, film, daemon, entry: await daemon.register(film.url, { fill: false }) };
}

/** Reads `start` to `end` and throws unless every byte is right. */
async function read({ film, entry }: Stage, start = 0, end = SIZE - 1): Promise<void> {
  const response = await fetch(entry.streamUrl, { headers: { range: `bytes=${start}-${end}` } });
  expect(response.status).toBe(206);
  const bytes = new Uint8Array(await response.arrayBuffer());
  expect([bytes.length, firstDifference(film.seed, start, bytes)]).toEqual([end - start + 1, null]);
}

/** The codes of the warnings that the daemon logged. */
function warnings(daemon: Daemon): string[] {
  const lines = daemon.stderr.split('\n').filter((line) => line.startsWith('{'));
  return lines.map((line) => JSON.parse(line) as { level: number; code: string }).flatMap(({ level, code }) => (level >= 40 ? [code] : []));
}

/** Sets the largest size that the daemon may give a file: the kernel refuses every byte beyond it, in files and in the database. */
function limitFiles({ daemon }: Stage, bytes: number | 'unlimited'): Promise<string> {
  return runToSuccess('prlimit', ['--pid', String(daemon.pid), `--fsize=${bytes}:`]);
}

async function falseOnes({ cacheDir, film }: Stage): Promise<unknown[]> {
  const original = join(await temporaryFolder('original'), 'film');
  await writeFile(original, film.bytes());
  return falseSpans(recordedSpans(cacheDir), original);
}

describe('a disk that takes no more', () => {
  test.each([
    ['anywhere', 0],
    ['in large files', MIB],
  ])('%s: films are passed through with one warning, and kept again when it is over', async (_where, limit) => {
    const it = await stage();
    await limitFiles(it, limit);
    for (let again = 0; again < 3; again++) await read(it, 2 * MIB);
    await Promise.all([read(it), read(it, 4 * MIB), read(it, 7 * MIB)]);
    expect(warnings(it.daemon)).toEqual(['STORAGE_FAILED']);
    await limitFiles(it, 'unlimited');
    await eventually('bytes are kept again', async () => {
      await read(it, 5 * MIB);
      return (await it.daemon.ranges(it.entry.id)).some(([start, end]) => start <= 5 * MIB && end === SIZE - 1);
    });
    expect(warnings(it.daemon)).toEqual(['STORAGE_FAILED']);
    await limitFiles(it, 0);
    await read(it, 3 * MIB, 4 * MIB);
    expect(warnings(it.daemon)).toEqual(['STORAGE_FAILED', 'STORAGE_FAILED']);
    expect(await falseOnes(it)).toEqual([]);
  });

  test('while a film is being kept: its reader sees nothing of it', async () => {
    const it = await stage(4 * MIB);
    const whole = read(it);
    await eventually('some is recorded', async () => (await it.daemon.ranges(it.entry.id)).length > 0);
    await limitFiles(it, 0);
    await whole;
    expect(warnings(it.daemon)).toEqual(['STORAGE_FAILED']);
    expect(await it.daemon.stop()).toBe(0);
    expect(await falseOnes(it)).toEqual([]);
  });
});

describe('while a film is read and kept', () => {
  test.each([
    // The film's file may be missed in the moment before the database goes.
    ['the cache folder', (it: Stage) => rm(it.cacheDir, { recursive: true }), ['STORAGE_FAILED']],
    ['the database', (it: Stage) => Promise.all(['', '-wal', '-shm'].map((end) => rm(join(it.cacheDir, `seekwell.db${end}`)))), []],
  ])('%s is removed: every byte is right, the API names the mend, a new start begins anew', async (_what, remove, before: string[]) => {
    const it = await stage(4 * MIB);
    const whole = read(it);
    await eventually('some is recorded', async () => (await it.daemon.ranges(it.entry.id)).length > 0);
    await remove(it);
    await whole;
    for (let again = 0; again < 3; again++) await read(it);
    expect(warnings(it.daemon).filter((code, at) => at > 0 || !before.includes(code))).toEqual(['DATABASE_GONE']);
    for (const [path, init] of [
      ['/api/v1/entries', {}],
      ['/api/v1/entries', { method: 'POST', body: '{"url":"http://127.0.0.1/x"}', headers: { 'content-type': 'application/json' } }],
    ] as const) {
      const answer = await fetch(it.daemon.baseUrl + path, init);
      expect(await answer.json()).toMatchObject({
        status: 503,
        code: 'DATABASE_GONE',
        hint: expect.stringContaining('Start Seekwell again'),
      });
    }
    expect((await fetch(`${it.daemon.baseUrl}/health/ready`)).status).toBe(503);
    expect(await it.daemon.stop()).toBe(0);
    const next = await Daemon.start({ cacheDir: it.cacheDir });
    const again = { ...it, daemon: next, entry: await next.register(it.film.url) };
    await read(again);
    await eventually('it is kept', async () => (await next.entry(again.entry.id)).state === 'Complete');
    expect(await falseOnes(again)).toEqual([]);
  });

  test('the database is replaced by another cache: neither is taken for the other', async () => {
    const it = await stage(4 * MIB);
    const other = await temporaryFolder('other');
    const stranger = await Daemon.start({ cacheDir: other });
    await stranger.register('http://127.0.0.1:9/other');
    await stranger.stop();
    const whole = read(it);
    await eventually('some is recorded', async () => (await it.daemon.ranges(it.entry.id)).length > 0);
    const before = await readFile(join(other, 'seekwell.db'));
    await rename(join(other, 'seekwell.db'), join(it.cacheDir, 'seekwell.db'));
    await whole;
    await read(it);
    expect(warnings(it.daemon)).toEqual(['DATABASE_GONE']);
    expect(await it.daemon.stop()).toBe(0);
    expect((await readFile(join(it.cacheDir, 'seekwell.db'))).equals(before)).toBe(true);
  });

  test('its files are removed: no span promises bytes of a file that is gone, and it is kept anew', async () => {
    const it = await stage(4 * MIB);
    const whole = read(it);
    await eventually('some is recorded', async () => (await it.daemon.ranges(it.entry.id)).length > 0);
    await rm(join(it.cacheDir, 'files'), { recursive: true });
    await whole;
    await eventually('it is kept anew', async () => {
      await read(it);
      return (await it.daemon.entry(it.entry.id)).state === 'Complete';
    });
    expect(await falseOnes(it)).toEqual([]);
  });
});
