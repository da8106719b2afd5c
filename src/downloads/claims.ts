import type { Clock } from '../clock.ts';
import type { ByteRange } from '../core/byte-ranges.ts';
import type { CacheRepository, EnsureOutcome, EnsureRequest, EntryRow } from '../repository/cache-repository.ts';
import type { DownloadSettings } from './download-settings.ts';

export interface ClaimParts {
  readonly repository: CacheRepository;
  readonly clock: Clock;
  readonly settings: DownloadSettings;
}

/** Makes claims in this process's name and gives them back. A claim decides, never a plan: whoever gets the row fetches. */
export class Claims {
  readonly #parts: ClaimParts;
  readonly #underWay = new Set<Promise<unknown>>();
  #closed = false;

  constructor(parts: ClaimParts) {
    this.#parts = parts;
  }

  /** Claims the row of the byte at `offset`. */
  async claim(entry: EntryRow, offset: number, how: Pick<EnsureRequest, 'limit' | 'priority' | 'rows'>): Promise<EnsureOutcome> {
    const { chunkSize, quota } = this.#parts.settings;
    const claim = this.#ensure({ entryId: entry.id, epoch: entry.epoch, offset, chunkSize, quota, ...how });
    this.#underWay.add(claim);
    try {
      return await claim;
    } finally {
      this.#underWay.delete(claim);
    }
  }

  release(entryId: number, range: ByteRange): Promise<void> {
    const { repository, clock, settings } = this.#parts;
    return repository.release({ entryId, range, fill: settings.fill }, clock.now());
  }

  /** From now on nothing is granted. Resolves when what was asked for before is answered. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#underWay);
  }

  /** What is granted while the cache closes is given back: its lease would keep others waiting. */
  async #ensure(request: EnsureRequest): Promise<EnsureOutcome> {
    const { repository, clock } = this.#parts;
    const outcome = await repository.ensure(request, clock.now());
    if (outcome.kind !== 'mine' || !this.#closed) return outcome;
    await this.release(request.entryId, { start: request.offset, end: outcome.end });
    return { kind: 'gone' };
  }
}
