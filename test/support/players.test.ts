import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { frameHashes, makeFilms, playWithMpv } from './films.ts';
import { NginxOrigin } from './nginx-origin.ts';
import { requirePrograms } from './require-program.ts';
import { bytesOf } from './seeded-bytes.ts';
import { suiteFolder, temporaryFolder } from './temp-folder.ts';

describe.skipIf(!requirePrograms('nginx'))('nginx', () => {
  async function start(limitRate = 0): Promise<{ nginx: NginxOrigin; folder: string; prefix: string; bytes: Buffer }> {
    const [folder, prefix] = [await temporaryFolder('served'), await temporaryFolder('nginx')];
    const bytes = bytesOf(1, 0, 299_999);
    await writeFile(join(folder, 'a film.mkv'), bytes);
    return { nginx: await NginxOrigin.start({ folder, prefix, limitRate }), folder, prefix, bytes };
  }

  test('serves ranges and tells what was asked', async () => {
    const { nginx, bytes } = await start();
    const response = await fetch(nginx.url('a film.mkv'), { headers: { range: 'bytes=1000-1999' } });
    expect(response.headers.get('content-type')).toBe('video/x-matroska');
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes.subarray(1000, 2000))).toBe(true);
    const expected = { method: 'GET', uri: '/a film.mkv', status: 206, range: 'bytes=1000-1999', ifRange: '', bytes: 1000 };
    expect(await nginx.requests()).toEqual([expected]);
    expect(await nginx.bytesSent('a film.mkv')).toBe(1000);
  });

  test('goes away, and comes back on its port', async () => {
    const { nginx, folder, prefix, bytes } = await start(10_000_000);
    await nginx.stop();
    await expect(fetch(nginx.url('a film.mkv'))).rejects.toThrow();
    expect(await nginx.requests()).toEqual([]);
    const again = await NginxOrigin.start({ folder, prefix: join(prefix, 'again'), port: nginx.port });
    expect((await (await fetch(again.url('a film.mkv'))).arrayBuffer()).byteLength).toBe(bytes.length);
  });
});

describe.skipIf(!requirePrograms('ffmpeg', 'mpv'))('films', () => {
  const folder = suiteFolder('films');

  test('have their index where they say, span several chunks, and hold the same pictures', async () => {
    const { moovTail, faststart, matroska } = await makeFilms(await folder());
    const indexAt = async (path: string): Promise<number> => (await readFile(path)).indexOf('moov');
    expect(await indexAt(moovTail.path)).toBeGreaterThan(moovTail.size - 200_000);
    expect(await indexAt(faststart.path)).toBeLessThan(100);
    const films = [moovTail, faststart, matroska];
    expect(Math.min(...films.map(({ size }) => size))).toBeGreaterThan(3 * 4 * 2 ** 20);
    const hashes = await Promise.all(films.map(({ path }) => frameHashes(path, 20, 4)));
    expect(new Set(hashes[0]).size).toBe(4);
    expect(hashes).toEqual([hashes[0], hashes[0], hashes[0]]);
  });

  test('play in mpv, and what is no film does not', async () => {
    const own = join(await temporaryFolder('player'), 'films');
    await mkdir(own);
    const { faststart } = await makeFilms(own);
    const played = await playWithMpv(faststart.path, 20, 4, join(own, 'pictures'));
    expect(played.code, played.output).toBe(0);
    expect(new Set(played.pictures).size).toBe(4);
    const broken = join(own, 'broken.mp4');
    await writeFile(broken, bytesOf(1, 0, 99_999));
    expect((await playWithMpv(broken, 0, 4, join(own, 'none'))).pictures).toEqual([]);
  });
});
