import type { Clock } from '../clock.ts';
import type { ByteRange } from '../core/byte-ranges.ts';
import { PRIORITY } from '../core/priority.ts';
import type { CacheRepository, EnsureOutcome, EnsureRequest, EntryRow, EvictFor } from '../repository/cache-repository.ts';
import type { DownloadSettings } from './download-settings.ts';
import type { Room } from './room.ts';

export interface ClaimParts {
  readonly repository: CacheRepository;
  readonly clock: Clock;
  readonly settings: DownloadSettings;
  readonly room: Room;
}

/** Makes claims in this process's name and gives them back. A claim decides, never a plan: whoever gets the row fetches. */
export class Claims {
  readonly #parts: ClaimParts;
  readonly #underWay = new Set<Promise<unknown>>();
  #closed = false;

  constructor(parts: ClaimParts) {
    this.#parts = parts;
  }

  /**
   * Claims the row of the byte at `offset`, making room for it.
   * @param urgency decides what may be evicted for it: some claims are made like a reader's, whoever wants the bytes
   */
  async claim(
    entry: EntryRow,
    offset: number,
    how: Pick<EnsureRequest, 'limit' | 'priority' | 'heldAs' | 'rows'>,
    urgency = how.priority,
  ): Promise<EnsureOutcome> {
    const { settings, room } = this.#parts;
    if (how.priority !== PRIORITY.CRITICAL && room.isFull(entry.id)) return { kind: 'full', needed: 0, bytes: 0 };
    const purpose = urgency >= PRIORITY.MEDIUM ? 'background' : 'reader';
    const claim = this.#ensure({ entryId: entry.id, epoch: entry.epoch, offset, chunkSize: settings.chunkSize, ...how }, purpose);
    this.#underWay.add(claim);
    try {
      return await claim;
    } finally {
      this.#underWay.delete(claim);
    }
  }

  /** @param spareReaders what was claimed for a waiting reader meanwhile stays held */
  release({ id: entryId, epoch }: Pick<EntryRow, 'id' | 'epoch'>, range: ByteRange, spareReaders = false): Promise<void> {
    const { repository, clock, settings } = this.#parts;
    return repository.release({ entryId, epoch, range, fill: settings.fill, spareReaders }, clock.now());
  }

  /** From now on nothing is granted. Resolves when what was asked for before is answered. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#underWay);
  }

  /** What is granted while the cache closes is given back: its lease would keep others waiting. */
  async #ensure(request: Omit<EnsureRequest, 'quota'>, purpose: EvictFor): Promise<EnsureOutcome> {
    const outcome = await this.#parts.room.ensure(request, purpose);
    if (outcome.kind !== 'mine' || !this.#closed) return outcome;
    await this.release({ id: request.entryId, epoch: request.epoch }, { start: request.offset, end: outcome.end });
    return { kind: 'gone' };
  }
}
