import type { Clock, Timer } from '../clock.ts';
import { BLOCK_BYTES } from '../core/blocks.ts';
import { asSeekwellError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { BlockRef, CacheRepository } from '../repository/cache-repository.ts';
import type { BlockChecker } from './block-checker.ts';

/** A block is checked again when its last check is this long ago, in milliseconds: 30 days. */
const CHECK_AFTER_MS = 30 * 24 * 60 * 60_000;
/** So many blocks are taken from the database at once, and noted as checked at once: each note wakes whoever watches the database. */
const BATCH = 64;
/** While somebody reads or fetches it is looked this often whether they still do, in milliseconds. */
const BUSY_MS = 10_000;
/** When nothing is left to check, it is looked again after this long, in milliseconds. */
const REST_MS = 60 * 60_000;

export interface ScrubberParts {
  readonly repository: CacheRepository;
  readonly checker: BlockChecker;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Bytes a second at most. */
  readonly rate: number;
  /** Somebody reads, or something is fetched. */
  isBusy(): boolean;
}

/**
 * Reads blocks back while nothing else happens, the longest unchecked first, so that a failing disk is noticed while the origin still has the bytes. Where it
 * is, stands in the database; what is lost at a kill is the notes of one batch.
 */
export class Scrubber {
  readonly #parts: ScrubberParts;
  #timer: Timer | null = null;
  #step: Promise<void> | null = null;
  #left: BlockRef[] = [];
  #checked: BlockRef[] = [];
  #closed = false;

  constructor(parts: ScrubberParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#after(BUSY_MS);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#step;
    await this.#note().catch(() => {});
  }

  #after(ms: number): void {
    if (this.#closed) return;
    this.#timer = this.#parts.clock.after(ms, () => {
      this.#step = this.#next();
    });
  }

  /** One block, or none while others have something to do. */
  async #next(): Promise<void> {
    const { logger, rate, isBusy } = this.#parts;
    let pause = BUSY_MS;
    try {
      if (!isBusy()) pause = (await this.#checkOne()) ? (BLOCK_BYTES / rate) * 1_000 : REST_MS;
    } catch (error) {
      const { code, message } = asSeekwellError(error);
      logger.warn({ code }, `the check of cached bytes rests for an hour: ${message}`);
      pause = REST_MS;
    }
    this.#after(pause);
  }

  /** False: there is nothing to check. */
  async #checkOne(): Promise<boolean> {
    const { repository, clock } = this.#parts;
    if (this.#left.length === 0) {
      await this.#note();
      this.#left = await repository.oldestChecks(clock.now() - CHECK_AFTER_MS, BATCH);
    }
    const ref = this.#left.shift();
    if (ref === undefined) return false;
    await this.#check(ref);
    this.#checked.push(ref);
    return true;
  }

  async #check({ entryId, block }: BlockRef): Promise<void> {
    const { repository, checker } = this.#parts;
    const entry = await repository.getEntry(entryId);
    if (entry === null) return;
    const [row] = (await repository.blocks({ entryId, epoch: entry.epoch, first: block, last: block })) ?? [];
    if (row === undefined || !row.whole) return;
    const verdict = await checker.inspect(entry, row, 'idle');
    if (verdict.kind === 'bad') await checker.cut(entry, verdict);
  }

  async #note(): Promise<void> {
    const { repository, clock } = this.#parts;
    const checked = this.#checked;
    this.#checked = [];
    if (checked.length > 0) await repository.markChecked(checked, clock.now());
  }
}
