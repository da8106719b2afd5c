import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { dividedSettings } from '#seekwell/cli/workers/divided-settings';
import { loadSettings } from '#seekwell/config/load-settings';
import { send } from '../api/api-server.ts';
import { EventReader } from '../api/event-reader.ts';
import { Daemon, seekwell } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import type { ScriptedResource } from '../support/scripted-resource.ts';
import { firstDifference } from '../support/seeded-bytes.ts';
import { afterThisTest, temporaryFolder } from '../support/temp-folder.ts';

const MIB = 1024 * 1024;

async function twoWorkers(...args: string[]): Promise<Daemon> {
  return Daemon.start({ cacheDir: await temporaryFolder(), args: ['--workers', '2', ...args] });
}

/** The processes that `pid` started. */
function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}

/** The whole body, read over a connection of its own: connections go to the workers in turn. */
function readAll(url: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('error', reject);
      response.on('end', () => resolve(Buffer.concat(pieces)));
    });
    request.on('error', reject);
  });
}

function expectFilm(film: ScriptedResource, bytes: Buffer): void {
  expect(bytes.length).toBe(film.size);
  expect(firstDifference(film.seed, 0, bytes)).toBeNull();
}

// biome-ignore lint/suspicious/noExplicitAny: numbers by their names
async function statsOf(daemon: Daemon): Promise<any> {
  return (await send(`${daemon.baseUrl}/api/v1/stats`)).json;
}

function isDeaf(daemon: Daemon): Promise<boolean> {
  return send(`${daemon.baseUrl}/health/live`).then(
    () => false,
    () => true,
  );
}

/** Two workers, one of which has a stream that takes a minute and may take an hour. */
async function withLongStream() {
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 64 * MIB, rate: MIB });
  const daemon = await twoWorkers('--drain-timeout', '1h');
  const reading = readAll((await daemon.register(film.url, { fill: false })).streamUrl);
  reading.catch(() => {});
  await eventually('it is served', async () => (await statsOf(daemon)).activeStreams === 1);
  const workers = childrenOf(daemon.pid);
  return { daemon, reading, workers };
}

describe('serve --workers 2', () => {
  test('two processes serve on one port, and each tells what both count', async () => {
    const origin = await ScriptedOrigin.start();
    const films = [origin.add('/a.mkv', { size: 2 * MIB }), origin.add('/b.mkv', { size: 2 * MIB })];
    const daemon = await twoWorkers();
    expect(daemon.stdout).toBe(`Seekwell is listening on ${daemon.baseUrl}\n`);
    expect(new Set(childrenOf(daemon.pid)).size).toBe(2);
    for (const film of films) {
      const { streamUrl } = await daemon.register(film.url, { fill: false });
      // Four connections in turn: each worker answers two of them.
      for (let reading = 0; reading < 4; reading++) expectFilm(film, await readAll(streamUrl));
    }
    await eventually('all streams ended', async () => (await statsOf(daemon)).activeStreams === 0);
    for (let asking = 0; asking < 4; asking++) {
      const { hitBytes, missBytes, originBytes } = await statsOf(daemon);
      expect({ served: hitBytes + missBytes, originBytes }).toEqual({ served: 16 * MIB, originBytes: 4 * MIB });
      const metrics = (await send(`${daemon.baseUrl}/metrics`)).text;
      expect(metrics).toContain(`\nseekwell_origin_bytes_total ${4 * MIB}\n`);
    }
  });

  test('one is killed in the middle: the stream of the other goes on, another takes its place, no count falls', async () => {
    const origin = await ScriptedOrigin.start();
    const film = origin.add('/film.mkv', { size: 8 * MIB, rate: 2 * MIB });
    const daemon = await twoWorkers();
    const { streamUrl } = await daemon.register(film.url, { fill: false });
    const readings = [readAll(streamUrl), readAll(streamUrl)];
    const ends = Promise.allSettled(readings);
    await eventually('both are served', async () => {
      const { activeStreams, missBytes } = await statsOf(daemon);
      return activeStreams === 2 && missBytes > MIB;
    });
    const before = await statsOf(daemon);
    const workers = childrenOf(daemon.pid);
    process.kill(workers[0] as number, 'SIGKILL');
    const killedAt = performance.now();
    const ended = await ends;
    expect(ended.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    for (const end of ended) if (end.status === 'fulfilled') expectFilm(film, end.value);
    await eventually('there are two again', () => {
      const now = childrenOf(daemon.pid);
      return now.length === 2 && !now.includes(workers[0] as number) && now.includes(workers[1] as number);
    });
    await eventually('the new one serves', async () => daemon.stderr.includes('a worker started'));
    for (let reading = 0; reading < 2; reading++) expectFilm(film, await readAll(streamUrl));
    const after = await statsOf(daemon);
    for (const name of ['hitBytes', 'missBytes', 'originBytes']) expect(after[name]).toBeGreaterThanOrEqual(before[name]);
    expect(after).toMatchObject({ activeFetches: 0, cacheBytes: film.size, reservedBytes: 0 });
    expect(performance.now() - killedAt).toBeLessThan(25_000);
    expect(daemon.stderr.match(/"level":40/g)).toHaveLength(1);
  });

  test('all are killed at the same time: those that take their places have the port that players know, though any would have done', async () => {
    const origin = await ScriptedOrigin.start();
    const film = origin.add('/film.mkv', { size: 2 * MIB });
    const daemon = await twoWorkers();
    const { streamUrl } = await daemon.register(film.url);
    for (let round = 0; round < 2; round++) {
      const before = childrenOf(daemon.pid);
      for (const pid of before) process.kill(pid, 'SIGKILL');
      await eventually('there are two others', () => {
        const now = childrenOf(daemon.pid);
        return now.length === 2 && !now.some((pid) => before.includes(pid));
      });
      await eventually('both started', () => daemon.stderr.split('a worker started').length - 1 === 2 * (round + 1));
      for (let reading = 0; reading < 2; reading++) expectFilm(film, await readAll(streamUrl));
    }
  });

  test('whoever watches one of them hears what happens in both', async () => {
    const daemon = await twoWorkers();
    const events = await EventReader.open(`${daemon.baseUrl}/api/v1/events`);
    const ids = new Set<number>();
    // In turn: two of them at the worker that is watched, two at the other.
    for (let index = 0; index < 4; index++) {
      const answer = await send(`${daemon.baseUrl}/api/v1/entries`, { method: 'POST', body: { url: `http://127.0.0.1:9/${index}` } });
      ids.add(answer.json.id);
    }
    expect(ids.size).toBe(4);
    while (ids.size > 0) ids.delete((await events.until(({ type }) => type === 'entryChanged')).data.entryId);
    await events.close();
  });

  test('lets streams of both go on to their ends, then ends with 0 and leaves nobody behind', async () => {
    const origin = await ScriptedOrigin.start();
    const films = [origin.add('/a.mkv', { size: 3 * MIB, rate: MIB }), origin.add('/b.mkv', { size: 3 * MIB, rate: MIB })];
    const daemon = await twoWorkers();
    const entries = await Promise.all(films.map((film) => daemon.register(film.url, { fill: false })));
    const readings = entries.map(({ streamUrl }) => readAll(streamUrl));
    await eventually('both are served', async () => (await statsOf(daemon)).activeStreams === 2);
    const workers = childrenOf(daemon.pid);
    const stopped = daemon.stop();
    await eventually('nothing is accepted any more', () => isDeaf(daemon));
    for (const [index, bytes] of (await Promise.all(readings)).entries()) expectFilm(films[index] as ScriptedResource, bytes);
    expect(await stopped).toBe(0);
    expect(workers.every(isGone)).toBe(true);
  });

  test('a second signal ends all of them at once', async () => {
    const { daemon, reading, workers } = await withLongStream();
    const stopped = daemon.stop();
    await eventually('nothing is accepted any more', () => isDeaf(daemon));
    process.kill(daemon.pid, 'SIGTERM');
    expect(await stopped).toBe(0);
    await expect(reading).rejects.toThrow();
    await eventually('the workers are gone', () => workers.every(isGone));
  });

  test('workers do not outlive the process that started them', async () => {
    const daemon = await twoWorkers();
    const workers = childrenOf(daemon.pid);
    await daemon.kill9();
    await eventually('the workers are gone', () => workers.every(isGone));
  });

  test('nor while they let streams end', async () => {
    const { daemon, reading, workers } = await withLongStream();
    process.kill(daemon.pid, 'SIGTERM');
    await eventually('nothing is accepted any more', () => isDeaf(daemon));
    await daemon.kill9();
    await expect(reading).rejects.toThrow();
    await eventually('the workers are gone', () => workers.every(isGone));
  });
});

describe('what keeps workers from starting is said once, in one line, with exit code 2', () => {
  test('a port in use', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    afterThisTest(() => taken.close());
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as AddressInfo;
    const ended = await seekwell(['serve', '--workers', '2', '--port', String(port), '--cache-dir', await temporaryFolder()]);
    expect(ended).toMatchObject({ code: 2, stdout: '' });
    expect(ended.stderr).toMatch(/^seekwell: 127\.0\.0\.1:\d+ is in use already\. .+\n$/);
  });

  test('a folder that is a file', async () => {
    const file = join(await temporaryFolder(), 'file');
    await writeFile(file, '');
    const ended = await seekwell(['serve', '--workers', '3', '--port', '0', '--cache-dir', file]);
    expect(ended).toMatchObject({ code: 2, stdout: '' });
    expect(ended.stderr).toMatch(/^seekwell: [^\n]+\n$/);
  });
});

test('limits are divided, so that all workers together keep them', async () => {
  const flags = { workers: '3', connections: '4', connectionsPerOrigin: '8', limitRate: '9MB', backgroundLimitRate: '3MB' };
  expect(dividedSettings(await loadSettings(flags, {}))).toMatchObject({
    connections: 1,
    connectionsPerOrigin: 2,
    limitRate: 3e6,
    backgroundLimitRate: 1e6,
  });
  expect(dividedSettings(await loadSettings({ workers: '8' }, {}))).toMatchObject({ connectionsPerOrigin: 1, limitRate: null });
});

test.each(['3', '7'])('%s workers share what does not divide by them: bytes a second are whole', async (workers) => {
  const flags = { workers, limitRate: '1000001', backgroundLimitRate: '2' };
  const { limitRate, backgroundLimitRate, scrubRate } = dividedSettings(await loadSettings(flags, {}));
  for (const rate of [limitRate, backgroundLimitRate, scrubRate]) {
    expect(Number.isInteger(rate)).toBe(true);
    expect(rate).toBeGreaterThan(0);
  }
});

test('three workers start with what is set without any option', async () => {
  const daemon = await Daemon.start({ cacheDir: await temporaryFolder(), args: ['--workers', '3'] });
  expect(childrenOf(daemon.pid)).toHaveLength(3);
});
