import type { DiskSpace } from '../chunk-store/disk-space.ts';
import type { Clock } from '../clock.ts';
import { BoundedMap } from '../core/bounded-map.ts';
import { PRIORITY } from '../core/priority.ts';
import { asSeekwellError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Randomness } from '../randomness.ts';
import type { CacheRepository, EnsureOutcome, EnsureRequest, Evicted, EvictFor, EvictOutcome } from '../repository/cache-repository.ts';
import type { CacheEvents } from './cache-events.ts';
import type { DownloadSettings } from './download-settings.ts';
import { type EntryRemoval, newFilePath } from './entry-removal.ts';

/** How long what the disk said is believed, in milliseconds. */
const DISK_LOOK_MS = 1_000;
/** After work that no reader waits for found no room, it looks again this much later, in milliseconds. */
export const FULL_REST_MS = 10_000;
/** Claims that are made again after an eviction: others may take the room first. */
const MAX_TRIES = 4;
/** The most entries that one eviction takes. */
const MAX_EVICTED = 256;
/** Hints beyond this many are forgotten, all at once. */
const MAX_HINTS = 10_000;

export interface RoomParts {
  readonly repository: CacheRepository;
  readonly removal: EntryRemoval;
  readonly disk: DiskSpace;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
  readonly events: CacheEvents;
  readonly settings: Pick<DownloadSettings, 'quota' | 'minFree'>;
}

/** The room that the cache has: how much it may hold, and what goes when a claim finds none. Keeps only hints. */
export class Room {
  readonly #parts: RoomParts;
  /** What the disk allows, and when it was looked at (monotonic milliseconds). */
  #disk: { readonly limit: Promise<number | null>; readonly at: number } | null = null;
  /** It was said that the disk does not answer. */
  #diskReported = false;
  /** Entries for which work that no reader waits for found no room, and when (monotonic milliseconds). */
  readonly #full = new BoundedMap<number, number>(MAX_HINTS);

  constructor(parts: RoomParts) {
    this.#parts = parts;
  }

  /** The most bytes that recorded spans, leased rows and trash may be together now: the quota, or what the disk has beside what it keeps free. */
  async limit(): Promise<number | null> {
    const { clock, settings } = this.#parts;
    const { quota, minFree } = settings;
    if (minFree === 0) return quota;
    const now = clock.monotonic();
    if (this.#disk === null || now - this.#disk.at >= DISK_LOOK_MS) this.#disk = { limit: this.#lookAtDisk(minFree), at: now };
    const disk = await this.#disk.limit;
    if (disk === null || quota === null) return disk ?? quota;
    return Math.min(quota, disk);
  }

  /**
   * Claims, making room where there is none.
   * @param purpose whose claim it is: what may be evicted for it
   */
  async ensure(request: Omit<EnsureRequest, 'quota'>, purpose: EvictFor): Promise<EnsureOutcome> {
    const { repository, clock } = this.#parts;
    const { entryId } = request;
    for (let tries = 1; ; tries++) {
      const quota = await this.limit();
      const outcome = await repository.ensure({ ...request, quota }, clock.now());
      if (outcome.kind !== 'full' || quota === null) return outcome;
      if (tries < MAX_TRIES && (await this.#evict(purpose, entryId, quota, outcome.bytes)).missing === 0) continue;
      if (request.priority !== PRIORITY.CRITICAL) this.#noteFull(entryId);
      return outcome;
    }
  }

  /** Whether work on the entry that no reader waits for lately found no room: it rests for `FULL_REST_MS`. */
  isFull(entryId: number): boolean {
    const at = this.#full.get(entryId);
    if (at === undefined) return false;
    if (this.#parts.clock.monotonic() - at < FULL_REST_MS) return true;
    this.#full.delete(entryId);
    return false;
  }

  /** The user asks for the entry anew: that alone may make room for it. */
  askedFor(entryId: number): void {
    this.#full.delete(entryId);
  }

  /** Evicts what exceeds the limit. Returns what went, and how many bytes still exceed it: pinned, or fetched for a reader. */
  async shrink(): Promise<EvictOutcome> {
    this.#disk = null;
    const quota = await this.limit();
    const evicted: Evicted[] = [];
    if (quota === null) return { evicted, missing: 0 };
    for (;;) {
      const round = await this.#evict('quota', null, quota, 0);
      evicted.push(...round.evicted);
      if (round.missing === 0 || round.evicted.length === 0) return { evicted, missing: round.missing };
    }
  }

  async #evict(purpose: EvictFor, entryId: number | null, quota: number, bytes: number): Promise<EvictOutcome> {
    const { repository, removal, clock, randomness, events, logger } = this.#parts;
    const newFilePaths = Array.from({ length: MAX_EVICTED }, () => newFilePath(randomness, ''));
    const outcome = await repository.evict({ for: purpose, entryId, quota, bytes, newFilePaths }, clock.now());
    for (const one of outcome.evicted) {
      logger.info({ ...one }, 'evicted to make room');
      events.emit('entryChanged', { entryId: one.entryId });
    }
    // Another process may have evicted and be about to unlink: whoever needs the room does it.
    await removal.emptyTrash();
    return outcome;
  }

  #noteFull(entryId: number): void {
    this.#full.set(entryId, this.#parts.clock.monotonic());
  }

  /**
   * What is recorded or in the trash is on the disk, and what is leased is about to be: it has to fit into what is free. What was written and not recorded yet
   * counts twice for a moment.
   */
  async #lookAtDisk(minFree: number): Promise<number | null> {
    const { repository, disk, logger } = this.#parts;
    try {
      const free = await disk.free();
      const { recordedBytes, trashBytes } = await repository.usage();
      this.#diskReported = false;
      return Math.max(0, recordedBytes + trashBytes + free - minFree);
    } catch (error) {
      if (!this.#diskReported)
        logger.warn({ code: asSeekwellError(error).code }, `how much the disk has free is not known: ${asSeekwellError(error).message}`);
      this.#diskReported = true;
      return null;
    }
  }
}
