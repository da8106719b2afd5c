import type { Clock, Timer } from '../clock.ts';
import { asSeekwellError, isSeekwellError, STORAGE_CODES } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { CacheRepository } from '../repository/cache-repository.ts';
import type { ChunkManager } from './chunk-manager.ts';

/** How many entries one look at the queue considers. */
const LOOK = 64;
/** After a hint the queue is looked at within this time, in milliseconds. */
const SOON_MS = 50;
/** After the database could not be read or written it is tried again this much later, in milliseconds. */
const AGAIN_MS = 5_000;

export interface BackgroundParts {
  readonly repository: CacheRepository;
  readonly manager: ChunkManager;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether rows of dead processes go back to the queue though no user asked for them. */
  readonly fill: boolean;
  /** Only this entry is worked on; null: all. */
  readonly only: number | null;
  /** Adds to the queue what could not be added before. */
  plan(): Promise<void>;
}

/** Works off the queue when nothing better is to do. The queue is the database's: this only looks at it when something may have changed. */
export class BackgroundWork {
  readonly #parts: BackgroundParts;
  #looking: Promise<void> | null = null;
  #again = false;
  #due: Timer | null = null;
  #soon: Timer | null = null;
  #closed = false;

  constructor(parts: BackgroundParts) {
    this.#parts = parts;
    parts.manager.onRoom(() => this.wake());
  }

  /** Something changed: look at the queue. Calls while looking make one more look. */
  wake(): void {
    if (this.#closed) return;
    this.#again = true;
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null;
      if (this.#again) this.wake();
    });
  }

  /** As `wake`, once for all that happens within a moment: other processes commit several times a second. */
  wakeSoon(): void {
    this.#soon ??= this.#parts.clock.after(SOON_MS, () => {
      this.#soon = null;
      this.wake();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#soon?.cancel();
    this.#due?.cancel();
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { repository, manager, clock, logger, fill, plan } = this.#parts;
    try {
      while (this.#again && !this.#closed) {
        this.#again = false;
        const began = clock.now();
        await repository.sweep(fill, began);
        await plan();
        manager.limits.noteReaders(await repository.readerLeases(clock.now()));
        await manager.lookAhead.spread();
        while (await this.#startSome());
        await this.#shareRests();
        await this.#wakeWhenDue(began);
      }
    } catch (error) {
      if (isSeekwellError(error, ...STORAGE_CODES)) manager.storage.failed(error);
      else logger.warn({ code: asSeekwellError(error).code }, `the queue could not be read: ${asSeekwellError(error).message}`);
      this.#again = false;
      // Nobody else may ever give a hint.
      this.#wakeAfter(AGAIN_MS);
    }
  }

  /** Starts what may start. Returns whether anything did: then there may be more. */
  async #startSome(): Promise<boolean> {
    const { repository, manager, clock, only } = this.#parts;
    let started = false;
    for (const row of await repository.pendingWork(LOOK, clock.now())) {
      if (this.#closed) return false;
      if (only !== null && row.entry.id !== only) continue;
      if (await manager.startPending(row)) started = true;
    }
    return started;
  }

  /** Connections that found no row take part in what others still have to do. */
  async #shareRests(): Promise<void> {
    const { repository, manager } = this.#parts;
    for (const entryId of manager.fetchedEntries()) {
      // Rows that wait come first: their turn comes when a connection is free.
      if (await repository.hasIdleRows(entryId)) continue;
      while (!this.#closed && (await manager.restSharing.share(entryId)));
    }
  }

  /**
   * A backoff or a lease that ends gives no hint: a process that was killed says nothing.
   * @param began what the sweep took for now: it left those that end later, though they may have ended meanwhile
   */
  async #wakeWhenDue(began: number): Promise<void> {
    const { repository, clock } = this.#parts;
    const at = await repository.nextWorkAt(began);
    this.#wakeAfter(at === null ? null : Math.max(0, at - clock.now()));
  }

  #wakeAfter(ms: number | null): void {
    this.#due?.cancel();
    this.#due = ms === null || this.#closed ? null : this.#parts.clock.after(ms, () => this.wake());
  }
}
