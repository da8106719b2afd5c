import { expect, test } from 'vitest';
import { recordedSpans } from '../support/cache-folder.ts';
import { Daemon } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import { firstDifference } from '../support/seeded-bytes.ts';
import { temporaryFolder } from '../support/temp-folder.ts';

const MIB = 1024 * 1024;
const READERS = 8;
/** What one request asks for at the most, unless a reader stays. */
const CHUNK = 4 * MIB;

async function readAll(url: string): Promise<Buffer> {
  const response = await fetch(url);
  return Buffer.from(await response.arrayBuffer());
}

function recordedBytes(cacheDir: string): number {
  return recordedSpans(cacheDir).reduce((sum, { start, end }) => sum + end - start + 1, 0);
}

// Each answer comes to the middle of its chunk and stands still there until all that was sent is recorded: at the kill nothing is under way that could be lost.
test.each([
  { connections: 1, most: 1 },
  // A connection that has nothing to do takes half of another one's rest; what that one has on its way comes twice.
  { connections: 4, most: 1.05 },
])(
  'what a killed daemon had recorded is never fetched again: $connections connections',
  async ({ connections, most }) => {
    const origin = await ScriptedOrigin.start();
    let isOpen = false;
    const gate = (at: number): number => (isOpen ? film.size : Math.max(at, Math.floor(at / CHUNK) * CHUNK + CHUNK / 2));
    const film = origin.add('/film.mkv', { size: 24 * MIB, gate });
    const cacheDir = await temporaryFolder();
    const args = ['--connections', String(connections), '--fill', 'never'];
    const survivor = await Daemon.start({ cacheDir, args });
    const victim = await Daemon.start({ cacheDir, args });
    const first = (await victim.register(film.url)).streamUrl;
    const lost = Promise.allSettled(Array.from({ length: READERS }, () => readAll(first)));
    await film.waitForBytes(CHUNK / 2);
    const second = (await survivor.register(film.url)).streamUrl;
    const kept = Array.from({ length: READERS }, () => readAll(second));
    await film.waitForBytes((connections * CHUNK) / 2);
    await eventually('all that was sent is recorded', () => recordedBytes(cacheDir) === film.bytesSent);
    await victim.kill9();
    isOpen = true;
    film.changes.notify();
    for (const bytes of await Promise.all(kept)) {
      expect(bytes.length).toBe(film.size);
      expect(firstDifference(film.seed, 0, bytes)).toBeNull();
    }
    expect((await lost).every(({ status }) => status === 'rejected')).toBe(true);
    expect(film.distinctBytes()).toBe(film.size);
    expect(film.bytesSent / film.size).toBeLessThanOrEqual(most);
  },
  60_000,
);

test('two daemons on one folder, eight readers each on one film, one is killed: the other serves all of its own, and the film is fetched once', async () => {
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 24 * MIB, rate: 4 * MIB });
  const cacheDir = await temporaryFolder();
  const survivor = await Daemon.start({ cacheDir });
  const victim = await Daemon.start({ cacheDir });
  // The one that will be killed comes first, so that it is the one that fetches.
  const first = (await victim.register(film.url)).streamUrl;
  const lost = Promise.allSettled(Array.from({ length: READERS }, () => readAll(first)));
  await eventually('it fetches', () => film.bytesSent > 0);
  const second = (await survivor.register(film.url)).streamUrl;
  const kept = Array.from({ length: READERS }, () => readAll(second));
  await eventually('a third came', () => film.bytesSent > film.size / 3);
  await victim.kill9();
  // What came and was not recorded is fetched again: at most the last 250 ms of each connection, and what was still in sockets.
  const underWay = film.bytesSent - recordedBytes(cacheDir);
  for (const bytes of await Promise.all(kept)) {
    expect(bytes.length).toBe(film.size);
    expect(firstDifference(film.seed, 0, bytes)).toBeNull();
  }
  expect((await lost).some(({ status }) => status === 'rejected')).toBe(true);
  expect(film.distinctBytes()).toBe(film.size);
  expect(film.bytesSent).toBeLessThanOrEqual(1.05 * film.size + underWay);
}, 60_000);
