import { describe, expect, test } from 'vitest';
import { type ByteRange, totalLength } from '#seekwell/core/byte-ranges';
import { CacheServer } from '../support/cache-server.ts';
import { eventually } from '../support/eventually.ts';
import type { RecordedRequest } from '../support/recorded-request.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import type { ScriptedResource } from '../support/scripted-resource.ts';
import { temporaryFolder } from '../support/temp-folder.ts';
import { type PlayerFixture, playerFixtures } from './fixture.ts';
import { ReplayedPlayer, type ReplayedRequest } from './replayed-player.ts';

/** A fetch that will have the byte within so many bytes is waited for. */
const NEAR = 256 * 1024;

const LOOKAHEAD = 1024 * 1024;
/** Bytes a second of each answer where fetches are broken off that the background may go on with: so little is on its way then. */
const RATE = 32 * 1024 * 1024;

interface Scene {
  readonly server: CacheServer;
  readonly film: ScriptedResource;
  readonly player: ReplayedPlayer;
  /** The origin sends whatever it is asked for. */
  openGate(): void;
}

/**
 * The origin sends what an open request of the player takes, and everything else waits: so nothing depends on how fast who is, and nothing is on its way
 * when the player leaves.
 */
async function scene(fixture: PlayerFixture, fill: 'always' | 'never'): Promise<Scene> {
  const film = (await ScriptedOrigin.start()).add('/film', { size: fixture.film.size, rate: fill === 'always' ? RATE : null });
  const cacheDir = await temporaryFolder('cache');
  const server = await CacheServer.start({ cacheDir, fill, lookahead: 0, connections: 1 });
  const player = new ReplayedPlayer(fixture, film, await server.streamOf(film.url));
  let opened = false;
  const gate = (at: number): number => {
    if (opened) return Number.POSITIVE_INFINITY;
    const wanted = player.open.map((made) => made.wanted).filter(({ start, end }) => start - NEAR <= at && at <= end);
    return Math.max(at, ...wanted.map(({ end }) => end + 1));
  };
  film.behave({ gate });
  const openGate = (): void => {
    opened = true;
    film.changes.notify();
  };
  return { server, film, player, openGate };
}

/** Whether the origin sent `offset`, or will within a moment. */
function isThereOrNear(film: ScriptedResource, offset: number): boolean {
  return film.requests.some(({ range, bytesSent, outcome }) => {
    if (range === null || offset < range.start || offset > range.end) return false;
    return offset < range.start + bytesSent + (outcome === 'running' ? NEAR : 0);
  });
}

/** Whether an open request of the player wants what the origin's answer would send next, or will: the least look-ahead is 1 MiB. */
function isWanted({ range, bytesSent }: RecordedRequest, open: readonly ReplayedRequest[]): boolean {
  if (range === null) return true;
  return open.some(({ wanted }) => range.end >= wanted.start && range.start + bytesSent <= wanted.end + 1 + LOOKAHEAD);
}

/** Waits until the first byte is there, and returns how many requests for exactly it reached the origin meanwhile. */
async function askedForFirstByte(film: ScriptedResource, made: ReplayedRequest): Promise<number> {
  const before = film.requests.length;
  await made.firstByte;
  return film.requests.slice(before).filter(({ range }) => range?.start === made.recorded.start).length;
}

/** The runs of `wanted` that do not lie in one run of `there`. */
function missingOf(wanted: readonly ByteRange[], there: readonly ByteRange[]): ByteRange[] {
  return wanted.filter((range) => !there.some(({ start, end }) => start <= range.start && range.end <= end));
}

/** Nothing is claimed, queued or fetched. */
async function untilAtRest(server: CacheServer): Promise<void> {
  await eventually('all is given back', async () => {
    const [{ pendingChunks, active }, { leasedBytes }] = await Promise.all([server.cache.infoOf(1), server.cache.statistics()]);
    return server.proxy.openStreams === 0 && server.cache.activeFetches === 0 && pendingChunks === 0 && !active && leasedBytes === 0;
  });
}

describe.each(playerFixtures())('%s', (_, fixture) => {
  test('without fill: right bytes, one request to the origin for a first byte, and nothing fetched but what was wanted', async () => {
    const { server, film, player } = await scene(fixture, 'never');
    await player.play(
      async (made) => {
        const cold = !isThereOrNear(film, made.recorded.start);
        expect(await askedForFirstByte(film, made)).toBe(cold ? 1 : 0);
      },
      async (wrongAt) => {
        expect(wrongAt).toBeNull();
        // What only that request wanted is asked for no more, whatever others do.
        await film.changes.until(() => film.requests.every((asked) => asked.outcome !== 'running' || isWanted(asked, player.open)));
      },
    );
    await untilAtRest(server);
    // Exact on an idle machine. On a busy one a fetch hears late that its reader left, when the next one is there already.
    const late = NEAR * fixture.requests.length;
    const recorded = await server.cache.spansOf(1);
    expect(missingOf(player.wanted, film.fetchedRanges())).toEqual([]);
    expect(missingOf(player.wanted, recorded)).toEqual([]);
    expect(film.distinctBytes() - totalLength(player.wanted)).toBeLessThanOrEqual(late);
    expect(film.bytesSent - film.distinctBytes()).toBeLessThanOrEqual(late);
    expect(film.running).toBe(0);
  });

  test('with fill: right bytes, and the rest comes in the background, each byte once', async () => {
    const { server, film, player, openGate } = await scene(fixture, 'always');
    await player.play(
      async (made) => expect(await askedForFirstByte(film, made)).toBeLessThanOrEqual(1),
      async (wrongAt) => expect(wrongAt).toBeNull(),
    );
    expect(missingOf(player.wanted, film.fetchedRanges())).toEqual([]);
    await eventually('only the background fetches', () => server.proxy.openStreams === 0);
    openGate();
    await eventually('the film is complete', async () => (await server.cache.infoOf(1)).state === 'Complete');
    await untilAtRest(server);
    expect(film.distinctBytes()).toBe(film.size);
    // But for what was on its way when a fetch was broken off.
    expect(film.bytesSent / film.size).toBeLessThan(1.25);
  });
});
