import type { ChunkFile } from '../chunk-store/chunk-store.ts';
import type { Clock, Timer } from '../clock.ts';
import type { ByteRange } from '../core/byte-ranges.ts';
import type { Description } from '../core/validator.ts';
import { asSeekwellError, isSeekwellError, type SeekwellError } from '../errors.ts';
import type { CacheRepository, EntryRow } from '../repository/cache-repository.ts';

/** Written bytes are recorded at the next multiple of this, in milliseconds: with the sync, a crash loses what came in 250 ms. */
const COMMIT_MS = 200;
/** Where much has come, at the next multiple of this, in milliseconds: a crash loses less of fast fetches. */
const BEAT_MS = 100;
/** So many bytes are much. */
const MUCH_BYTES = 256 * 1024;

/** What the origin's headers told about the resource. */
export interface Heard {
  readonly description: Description;
  readonly headers: Readonly<Record<string, string>>;
}

/** Why nothing more can be recorded. */
export type RecordFailure =
  /** The entry's bytes were removed meanwhile. */
  | { readonly kind: 'gone' }
  /** Another version is recorded. */
  | { readonly kind: 'changed' }
  /** The store or the database failed. */
  | { readonly kind: 'broken'; readonly error: SeekwellError };

/** Who keeps checksums of what is recorded. */
export interface BlockKeeper {
  /** A fetch begins to record. */
  begun(): void;
  /** A fetch has recorded all it will. */
  ended(): void;
  /** `range` was recorded; so was, by the same fetch and without a gap, `own`. `total`: of the resource, or null. */
  committed(entry: EntryRow, range: ByteRange, own: ByteRange, total: number | null): void;
}

export interface RecorderParts {
  readonly repository: CacheRepository;
  readonly clock: Clock;
  readonly checker: BlockKeeper;
  /** Bytes whose lease ended before they were recorded may not exceed it; null: no limit. */
  readonly quota: number | null;
  /** Called after each commit. */
  recorded(complete: boolean): void;
  /** Called once, when nothing more can be recorded. */
  failed(): void;
}

/**
 * Turns written bytes into recorded ones as a fetch goes: sync first, then the span. One commit at a time. All fetches of a process record at the same
 * moments, so that they share syncs and transactions.
 */
export class SpanRecorder {
  readonly #entry: EntryRow;
  readonly #file: ChunkFile;
  readonly #heard: Heard;
  readonly #parts: RecorderParts;
  /** Where the recording without a gap began. */
  #from: number;
  /** Everything before it, from where the recording began, is recorded. */
  #recordedTo: number;
  /** Everything before it is written. */
  #writtenTo: number;
  #first = true;
  #timer: Timer | null = null;
  /** The timer is for the next beat. */
  #hurries = false;
  #underWay: Promise<void> | null = null;
  #failure: RecordFailure | null = null;

  constructor(entry: EntryRow, file: ChunkFile, heard: Heard, from: number, parts: RecorderParts) {
    this.#entry = entry;
    this.#file = file;
    this.#heard = heard;
    this.#parts = parts;
    this.#from = from;
    this.#recordedTo = from;
    this.#writtenTo = from;
    parts.checker.begun();
  }

  get failure(): RecordFailure | null {
    return this.#failure;
  }

  /** Everything before `position` is written now. The first bytes are recorded at once, so that others learn the total; later ones as they gather. */
  written(position: number): void {
    this.#writtenTo = position;
    if (this.#underWay !== null || this.#failure !== null) return;
    const much = position - this.#recordedTo >= MUCH_BYTES;
    if (this.#timer !== null && (this.#hurries || !much)) return;
    this.#timer?.cancel();
    this.#hurries = this.#first || much;
    this.#timer = this.#parts.clock.after(this.#first ? 0 : this.#untilNext(much ? BEAT_MS : COMMIT_MS), () => {
      this.#timer = null;
      void this.flush();
    });
    this.#first = false;
  }

  /** Milliseconds to the next multiple of `beat`, on the clock that all fetches of the process have. */
  #untilNext(beat: number): number {
    return beat - (this.#parts.clock.monotonic() % beat);
  }

  /** What lies between was there already: goes on at `position`, after a `flush`. */
  skipTo(position: number): void {
    this.#from = position;
    this.#recordedTo = position;
    this.#writtenTo = position;
  }

  /** Records all that is written now. Never rejects: see `failure`. */
  async flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    while (this.#underWay !== null) await this.#underWay;
    if (this.#recordedTo >= this.#writtenTo || this.#failure !== null) return;
    this.#underWay = this.#commit().finally(() => {
      this.#underWay = null;
    });
    await this.#underWay;
    if (this.#recordedTo < this.#writtenTo) this.written(this.#writtenTo);
  }

  /** Ends the recording with the last bytes; to be called once. */
  async close(): Promise<void> {
    await this.flush();
    await this.flush();
    this.#timer?.cancel();
    this.#parts.checker.ended();
  }

  async #commit(): Promise<void> {
    const { repository, clock, checker, quota } = this.#parts;
    const { id: entryId, epoch } = this.#entry;
    const range = { start: this.#recordedTo, end: this.#writtenTo - 1 };
    try {
      await this.#file.sync();
      const outcome = await repository.commit({ entryId, epoch, range, quota, ...this.#heard }, clock.now());
      if (outcome.kind === 'committed') {
        this.#recordedTo = range.end + 1;
        checker.committed(this.#entry, range, { start: this.#from, end: range.end }, this.#heard.description.total);
        this.#parts.recorded(outcome.complete);
        return;
      }
      this.#failure = outcome;
    } catch (error) {
      this.#failure = await this.#failureOf(error);
    }
    this.#parts.failed();
  }

  /** A file that was unlinked cannot be synced: where its entry was evicted or removed, nothing is wrong with the disk; the whole folder may be gone. */
  async #failureOf(error: unknown): Promise<RecordFailure> {
    const { repository, clock } = this.#parts;
    const { id, epoch } = this.#entry;
    try {
      const known = await repository.entryWithState(id, clock.now());
      if (known?.entry.epoch !== epoch) return { kind: 'gone' };
    } catch (reason) {
      if (isSeekwellError(reason, 'DATABASE_GONE')) return { kind: 'broken', error: reason };
    }
    return { kind: 'broken', error: asSeekwellError(error) };
  }
}
