import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { RecordedSpan } from '../support/cache-folder.ts';
import { falseSpans, filePathOf, recordedSpans } from '../support/cache-folder.ts';
import { Daemon, seekwell } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import type { Film, FilmName, Films } from '../support/films.ts';
import { frameHashes, makeFilms, playWithMpv } from '../support/films.ts';
import { NginxOrigin } from '../support/nginx-origin.ts';
import { requirePrograms } from '../support/require-program.ts';
import { suiteFolder, temporaryFolder } from '../support/temp-folder.ts';

const MIB = 2 ** 20;
/** Pictures decoded after each seek: more than one group, so that a player reads on after the key frame. */
const PICTURES = 20;
/** Bytes a second for each connection: slow enough that a fetch is under way for seconds, quick enough to wait for its end. */
const SLOW = 2 * MIB;

/** The start, a third, near the end, and back: where the cache holds nothing, something, and all of it. */
function seeks({ duration }: Film): number[] {
  return [0, duration / 3, duration - 2, duration / 4, 0];
}

async function decodedAt(urlOrPath: string, film: Film): Promise<string[][]> {
  const decoded = [];
  // One after the other, as one viewer does.
  for (const seconds of seeks(film)) decoded.push(await frameHashes(urlOrPath, seconds, PICTURES));
  return decoded;
}

async function serveFilms(films: Films, limitRate = 0): Promise<NginxOrigin> {
  return NginxOrigin.start({ folder: films.folder, prefix: await temporaryFolder('nginx'), limitRate });
}

/** Starts to fetch `url` into `cacheDir`, kills the daemon once a part of it is recorded, and returns the entry's id. */
async function killMidway(cacheDir: string, url: string): Promise<number> {
  const daemon = await Daemon.start({ cacheDir });
  const { id } = await daemon.register(url, { prefetch: true });
  await eventually('a part of the film is recorded', async () => (await daemon.entry(id)).downloadedBytes >= 2 * MIB);
  await daemon.kill9();
  return id;
}

function bytesIn(spans: readonly RecordedSpan[]): number {
  return spans.reduce((sum, { start, end }) => sum + end - start + 1, 0);
}

/** Whether a file and something in memory are the same, without printing megabytes when not. */
async function expectSameBytes(actual: Uint8Array, original: string): Promise<void> {
  expect(Buffer.compare(actual, await readFile(original))).toBe(0);
}

describe.skipIf(!requirePrograms('ffmpeg', 'nginx', 'mpv'))('players', () => {
  const folder = suiteFolder('films');
  let films: Films;

  beforeAll(async () => {
    films = await makeFilms(await folder());
  });

  describe.each<FilmName>(['moovTail', 'faststart', 'matroska'])('%s', (name) => {
    test('ffmpeg decodes the same pictures through Seekwell, wherever it seeks', async () => {
      const film = films[name];
      const nginx = await serveFilms(films);
      const daemon = await Daemon.start({ cacheDir: await temporaryFolder('cache') });
      const { streamUrl } = await daemon.register(nginx.url(film.name));
      const direct = await decodedAt(film.path, film);
      expect(new Set(direct[1]).size).toBe(PICTURES);
      expect(await decodedAt(streamUrl, film)).toEqual(direct);
      expect(await daemon.stop()).toBe(0);
    });

    test('mpv plays the same pictures through Seekwell after a seek', async () => {
      const film = films[name];
      const nginx = await serveFilms(films);
      const pictures = await temporaryFolder('pictures');
      const daemon = await Daemon.start({ cacheDir: await temporaryFolder('cache') });
      const { streamUrl } = await daemon.register(nginx.url(film.name));
      const seek = film.duration / 2;
      const direct = await playWithMpv(film.path, seek, PICTURES, join(pictures, 'direct'));
      const played = await playWithMpv(streamUrl, seek, PICTURES, join(pictures, 'through'));
      expect(played.code, played.output).toBe(0);
      expect(played.pictures).toHaveLength(PICTURES);
      expect(played.pictures).toEqual(direct.pictures);
    });

    test('mpv plays to the end', async () => {
      const film = films[name];
      const nginx = await serveFilms(films);
      const daemon = await Daemon.start({ cacheDir: await temporaryFolder('cache') });
      const { streamUrl } = await daemon.register(nginx.url(film.name));
      const seek = film.duration - 1;
      const played = await playWithMpv(streamUrl, seek, null, join(await temporaryFolder('pictures'), 'through'));
      expect(played.code, played.output).toBe(0);
      // A second holds 25; where the last one counts is up to the container.
      expect(played.pictures.length).toBeGreaterThan(20);
    });

    test('killed in the middle of a fetch: what is recorded is true, the rest comes, and it plays without the origin', async () => {
      const film = films[name];
      const nginx = await serveFilms(films, SLOW);
      const url = nginx.url(film.name);
      const cacheDir = await temporaryFolder('cache');
      const id = await killMidway(cacheDir, url);

      const recorded = recordedSpans(cacheDir);
      expect(bytesIn(recorded)).toBeGreaterThanOrEqual(2 * MIB);
      expect(bytesIn(recorded)).toBeLessThan(film.size);
      expect(await falseSpans(recorded, film.path)).toEqual([]);

      const daemon = await Daemon.start({ cacheDir });
      const { streamUrl, downloadedBytes } = await daemon.entry(id);
      expect(downloadedBytes).toBeGreaterThanOrEqual(bytesIn(recorded));
      const got = await seekwell(['get', url], { env: { SEEKWELL_CACHE_DIR: cacheDir } });
      expect(got.code, got.stderr).toBe(0);
      expect((await daemon.entry(id)).state).toBe('Complete');

      await nginx.stop();
      expect(await decodedAt(streamUrl, film)).toEqual(await decodedAt(film.path, film));
      const played = await playWithMpv(streamUrl, film.duration / 2, PICTURES, join(await temporaryFolder('pictures'), 'offline'));
      expect([played.code, played.pictures.length], played.output).toEqual([0, PICTURES]);
      await expectSameBytes(await readFile(filePathOf(cacheDir, id)), film.path);
      await expectSameBytes(new Uint8Array(await (await fetch(streamUrl)).arrayBuffer()), film.path);
    }, 60_000);
  });

  test('asked for through the API, the whole film is there when the origin is not', async () => {
    const film = films.moovTail;
    const nginx = await serveFilms(films);
    const cacheDir = await temporaryFolder('cache');
    const daemon = await Daemon.start({ cacheDir });
    const { id, streamUrl } = await daemon.register(nginx.url(film.name), { fill: false });
    await daemon.act(id, 'prefetch');
    await eventually('the film is complete', async () => (await daemon.entry(id)).state === 'Complete');
    await nginx.stop();
    // Each byte once, but for what was on its way when a fetch was cut short to share its rest with another connection.
    expect(await nginx.bytesSent(film.name)).toBeLessThanOrEqual(film.size * 1.05);
    expect(await decodedAt(streamUrl, film)).toEqual(await decodedAt(film.path, film));
    await expectSameBytes(await readFile(filePathOf(cacheDir, id)), film.path);
  });
});
