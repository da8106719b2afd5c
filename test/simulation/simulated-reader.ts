import { type RangeSpec, resolveRange } from '#seekwell/core/http-range';
import type { EntryReader } from '#seekwell/downloads/entry-reader';
import { SeekwellError } from '#seekwell/errors';
import type { EntryKey } from '#seekwell/repository/cache-repository';
import type { SimulatedResource, Version } from './simulated-origin.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import { SimulationFailure } from './simulation-failure.ts';

export interface ReaderPlan {
  readonly resource: SimulatedResource;
  /** Null: from the start to the end. */
  readonly spec: RangeSpec | null;
  /** Bytes of one `read`. */
  readonly bufferSize: number;
  /** The most milliseconds that the player rests after each one. */
  readonly rest: number;
  /** The player leaves after so many bytes. */
  readonly leavesAfter: number;
  /** False: only what is cached. */
  readonly mayFetch: boolean;
}

/** What became of a reading. */
export type ReadingEnd = 'served' | 'left' | SeekwellError;

/** The key of a resource's entry. */
export function keyOf(resource: SimulatedResource): EntryKey {
  return { sourceId: 'simulated', mediaId: String(resource.index), quality: 'original' };
}

/** A player: asks for a range as the stream endpoint would, and holds every byte that it gets against what was promised. */
export class SimulatedReader {
  readonly plan: ReaderPlan;
  readonly process: SimulatedProcess;
  readonly #fraction: () => number;
  #versions: readonly Version[] = [];
  received = 0;

  constructor(process: SimulatedProcess, plan: ReaderPlan, fraction: () => number) {
    this.process = process;
    this.plan = plan;
    this.#fraction = fraction;
  }

  /** @throws SimulationFailure when a byte is wrong; whatever else is thrown has no name */
  async run(): Promise<ReadingEnd> {
    const abort = new AbortController();
    try {
      return await this.#read(abort.signal);
    } catch (error) {
      if (error instanceof SeekwellError) return error;
      throw error;
    } finally {
      abort.abort('the player left');
    }
  }

  async #read(signal: AbortSignal): Promise<ReadingEnd> {
    const { resource, spec, mayFetch } = this.plan;
    const { cache } = this.process;
    const view = await cache.viewOf(keyOf(resource), spec?.kind === 'from' ? spec.start : 0);
    if (view === null) throw new SeekwellError('ENTRY_NOT_FOUND', 'there is no such entry');
    const reader = await cache.openReader(view, { spec, mayFetch, signal });
    try {
      return await this.#play(reader);
    } finally {
      await reader.close();
    }
  }

  async #play(reader: EntryReader): Promise<ReadingEnd> {
    const { spec, bufferSize, rest, leavesAfter, resource } = this.plan;
    const { total, validator } = reader.opened.description;
    this.#versions = resource.described(validator.etag, validator.lastModified, total);
    // All that an origin says of a range beyond the end is the length.
    if (this.#versions.length === 0 && validator.etag === null && validator.lastModified === null)
      this.#versions = resource.versions.filter(({ size }) => size === total);
    if (this.#versions.length === 0)
      throw new SimulationFailure(
        'right bytes',
        `a reader is told of a version that never was: ${JSON.stringify(reader.opened.description)}`,
      );
    const range =
      total === null
        ? { start: 0, end: Number.MAX_SAFE_INTEGER - 1 }
        : spec === null
          ? { start: 0, end: total - 1 }
          : resolveRange(spec, total);
    if (range === null) return 'served';
    reader.begin(range);
    const buffer = Buffer.alloc(bufferSize);
    for (let position = range.start; ; ) {
      const count = await reader.read(buffer);
      if (count === 0) return this.#expectEnd(position, range.end, total);
      this.#expectRight(buffer.subarray(0, count), position);
      position += count;
      this.received += count;
      if (this.received >= leavesAfter && position <= range.end) return 'left';
      if (rest > 0) await this.process.wait(this.#fraction() * rest);
    }
  }

  #expectRight(bytes: Buffer, position: number): void {
    const end = position + bytes.length;
    const fitting = this.#versions.filter(({ size, content }) => end <= size && bytes.compare(content, position, end) === 0);
    if (fitting.length === 0)
      throw new SimulationFailure(
        'right bytes',
        `bytes ${position}-${end - 1} of resource ${this.plan.resource.index} are of no version that they may be of`,
      );
    this.#versions = fitting;
  }

  #expectEnd(position: number, end: number, total: number | null): ReadingEnd {
    const isAtEnd = total === null ? this.#versions.some(({ size }) => size === position) : position === end + 1;
    if (!isAtEnd) throw new SimulationFailure('right bytes', `a reader is told that byte ${position} is the end, of ${total}`);
    return 'served';
  }
}
