import type { Checksum, ChunkStore, Urgency } from '../chunk-store/chunk-store.ts';
import type { Clock } from '../clock.ts';
import { BLOCK_BYTES, blockAt, blocksWithin, rangeOfBlock } from '../core/blocks.ts';
import { type ByteRange, intersect } from '../core/byte-ranges.ts';
import { isSeekwellError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { BlockRow, CacheRepository, EntryRow } from '../repository/cache-repository.ts';
import type { ByteSource } from './byte-source.ts';
import type { CacheEvents } from './cache-events.ts';
import { CheckedBlocks } from './checked-blocks.ts';
import { ChecksumBacklog } from './checksum-backlog.ts';
import type { DownloadSettings } from './download-settings.ts';
import type { FetchConsequences } from './fetch-consequences.ts';
import type { ReaderDemand } from './reader-demand.ts';

/**
 * Blocks are checked in groups of this many: those left in the reader's and all of the next one, so that reading on does not wait block by block, and looks at
 * what is checked only once in a group.
 */
const GROUP = 4;
/** The most checks under way that no reader waits for yet: a seek may find itself waiting for one of them. */
const MAX_AHEAD = 8;

export interface CheckerParts {
  readonly repository: CacheRepository;
  readonly store: ChunkStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: CacheEvents;
  readonly consequences: Pick<FetchConsequences, 'lost'>;
  readonly settings: Pick<DownloadSettings, 'chunkSize' | 'fill'>;
}

/** What reading recorded bytes back showed. */
export type Verdict =
  | { readonly kind: 'right' }
  /** They had no checksum; they have one now. */
  | { readonly kind: 'recorded' }
  /** `range`: what must not be given to anybody; all that follows where the file ends too early or is missing. */
  | { readonly kind: 'bad'; readonly why: 'checksum' | 'unreadable' | 'short' | 'missing'; readonly range: ByteRange };

/** Where a reader is, and how far it goes. */
type Reader = Pick<ReaderDemand, 'position' | 'end'>;
type CheckedSpan = Extract<ByteSource, { kind: 'span' }>;

/** Bytes that a plan says are recorded. */
type Inspected = Omit<BlockRow, 'block'>;

function badness(sum: Checksum, { start, end, crc32 }: Inspected): Extract<Verdict, { kind: 'bad' }> | null {
  if (sum.kind === 'short') {
    // What is left of a block loses the checksum that spoke for it: without one, damage to it would pass for right, and get a checksum of its own.
    const keepsRest = crc32 === null && sum.size >= start;
    const from = keepsRest ? sum.size : rangeOfBlock(blockAt(sum.size), null).start;
    return { kind: 'bad', why: 'short', range: { start: from, end: Number.MAX_SAFE_INTEGER } };
  }
  if (sum.kind === 'unreadable') return { kind: 'bad', why: 'unreadable', range: { start, end } };
  return crc32 === null || crc32 === sum.crc32 ? null : { kind: 'bad', why: 'checksum', range: { start, end } };
}

/**
 * Holds blocks against their checksums before their bytes are given to a reader, each once in the life of this process, and records the checksums of those
 * that have none. What is bad is cut out of the spans: then it is a hole like any other.
 */
export class BlockChecker {
  readonly #parts: CheckerParts;
  readonly #checked = new CheckedBlocks();
  /** Checks under way for readers, by file and block. False: plan again. */
  readonly #underWay = new Map<string, Promise<boolean>>();
  /** Everything under way, for `settle`. */
  readonly #work = new Set<Promise<unknown>>();
  /** What was recorded and has no checksum yet. */
  readonly #backlog: ChecksumBacklog;

  constructor(parts: CheckerParts) {
    const { repository, store, clock } = parts;
    this.#parts = parts;
    this.#backlog = new ChecksumBacklog({ repository, store, clock, checked: this.#checked, track: (work) => this.#track(work) });
  }

  /**
   * `span` (as it was read together with `entry`), as far as it may be given from the reader's position on: to its end or a few MiB ahead at the most, or to
   * the next block that was not checked, whose check it starts; null: call `check`. Blocks that the span does not wholly cover have no checksum, and
   * count as checked.
   */
  checkedPart(entry: EntryRow, span: ByteRange, reader: Reader): CheckedSpan | null {
    const blocks = this.#blocksOf(entry, span, reader);
    const here = blockAt(reader.position);
    let end = Math.min(span.end, reader.end, reader.position + GROUP * BLOCK_BYTES - 1);
    for (let block = blocks.first; block <= blocks.last; block++) {
      if (this.#checked.has(entry.filePath, block)) continue;
      if (block === here) return null;
      this.#start(entry, blocks, here);
      end = Math.min(end, rangeOfBlock(block, null).start - 1);
      break;
    }
    return { kind: 'span', span, checkedEnd: end };
  }

  /**
   * Checks the block at the reader's position, and those ahead of it without waiting for them. Null: the bytes may not be given, plan again.
   * @throws SeekwellError what keeps the block from being read, or a bad one from being cut
   */
  async check(entry: EntryRow, span: ByteRange, reader: Reader): Promise<CheckedSpan | null> {
    const here = blockAt(reader.position);
    const end = Math.min(span.end, reader.end);
    const blocks = this.#blocksOf(entry, span, reader);
    this.#start(entry, blocks, here);
    const check = this.#underWay.get(keyOf(entry, here));
    if (check !== undefined && !(await check)) return null;
    let last = here;
    while (last < blocks.last && this.#checked.has(entry.filePath, last + 1)) last++;
    return { kind: 'span', span, checkedEnd: Math.min(end, rangeOfBlock(last, null).end) };
  }

  begun(): void {
    this.#backlog.begun();
  }

  ended(): void {
    this.#backlog.ended();
  }

  /**
   * A fetch of this process recorded `range`. Blocks that are whole now get their checksum when no fetch is under way.
   * @param own everything that the fetch has recorded without a gap: what comes from the origin this moment needs no check
   * @param total of the resource; null: not known
   */
  committed(entry: EntryRow, range: ByteRange, own: ByteRange, total: number | null): void {
    const within = blocksWithin(own, total);
    for (let block = Math.max(within?.first ?? 0, blockAt(range.start)); block <= (within?.last ?? -1); block++)
      this.#checked.add(entry.filePath, block);
    this.#backlog.add(entry, range);
  }

  /** Reads `block` back, whatever is known of it, and records its checksum where it has none. @throws SeekwellError as `check` */
  async inspect(entry: EntryRow, block: Inspected, urgency: Urgency): Promise<Verdict> {
    const file = await this.#parts.store.open(entry.filePath);
    if (file === null) return { kind: 'bad', why: 'missing', range: { start: 0, end: Number.MAX_SAFE_INTEGER } };
    let sum: Checksum;
    try {
      sum = await file.checksum(block, urgency);
    } finally {
      await file.close();
    }
    const bad = badness(sum, block);
    if (bad !== null) {
      this.#checked.delete(entry.filePath, blockAt(bad.range.start), blockAt(bad.range.end));
      return bad;
    }
    if (!block.whole || sum.kind !== 'whole') return { kind: 'right' };
    this.#checked.add(entry.filePath, blockAt(block.start));
    if (block.crc32 !== null) return { kind: 'right' };
    const { id: entryId, epoch } = entry;
    const checksums = [{ block: blockAt(block.start), crc32: sum.crc32 }];
    this.#track(this.#parts.repository.recordChecksums({ entryId, epoch, checksums }, this.#parts.clock.now()));
    return { kind: 'recorded' };
  }

  /**
   * Takes bad bytes out of the spans, and puts what was there into the queue unless the entry is paused. Whoever comes second finds the epoch moved: nothing
   * happens. @throws SeekwellError when the database cannot be written
   */
  async cut(entry: EntryRow, { why, range }: Extract<Verdict, { kind: 'bad' }>): Promise<void> {
    const { repository, clock, logger, events, consequences, settings } = this.#parts;
    const { chunkSize, fill } = settings;
    if (why === 'missing') return consequences.lost(entry);
    const spans = await repository.spans(entry.id, range.start);
    const ranges = spans.map((span) => intersect(span, range)).filter((part) => part !== null);
    if (!(await repository.cut({ entryId: entry.id, epoch: entry.epoch, range, fill }, clock.now()))) return;
    this.#checked.delete(entry.filePath, blockAt(range.start), blockAt(range.end));
    const end = ranges.at(-1)?.end ?? range.start;
    logger.warn({ entryId: entry.id, start: range.start, end, why }, 'cached bytes are damaged: they are fetched anew');
    if (entry.fillAllowed && ranges.length > 0) await repository.prefetch({ entryId: entry.id, ranges, chunkSize }, clock.now());
    events.emit('entryChanged', { entryId: entry.id });
  }

  /** The byte at `position` is recorded, and could not be read: what is missing is cut. @throws SeekwellError as `cut` */
  async missed(entry: EntryRow, position: number): Promise<void> {
    const view = await this.#parts.repository.readView(entry.id, position);
    if (view === null || view.entry.epoch !== entry.epoch || view.span === null) return;
    const verdict = await this.inspect(entry, { start: position, end: position, whole: false, crc32: null }, 'now');
    if (verdict.kind === 'bad') await this.cut(entry, verdict);
  }

  /** Gives what was recorded its checksums now, and waits for all that is under way. */
  async settle(): Promise<void> {
    this.#backlog.flush();
    await Promise.allSettled(this.#work);
  }

  /** The whole blocks from `position` on, as far as they are checked at once. */
  #blocksOf(entry: EntryRow, span: ByteRange, { position, end }: Reader): { readonly first: number; readonly last: number } {
    const whole = blocksWithin(span, entry.expectedTotalSize);
    if (whole === null) return { first: 0, last: -1 };
    const here = blockAt(position);
    const last = here - (here % GROUP) + 2 * GROUP - 1;
    return { first: Math.max(whole.first, here), last: Math.min(whole.last, last, blockAt(end)) };
  }

  /** Starts the checks that are neither done nor under way, with one question to the database. */
  #start(entry: EntryRow, { first, last }: { readonly first: number; readonly last: number }, here: number): void {
    const missing: number[] = [];
    for (let block = first; block <= last; block++) {
      if (this.#checked.has(entry.filePath, block) || this.#underWay.has(keyOf(entry, block))) continue;
      if (block === here || this.#underWay.size + missing.length < MAX_AHEAD) missing.push(block);
    }
    if (missing.length === 0) return;
    const { id: entryId, epoch } = entry;
    const rows = this.#parts.repository.blocks({ entryId, epoch, first: missing[0] as number, last: missing.at(-1) as number });
    for (const block of missing) {
      const check = rows.then((found) => this.#checkFor(entry, found?.find((row) => row.block === block) ?? null, block === here));
      this.#underWay.set(keyOf(entry, block), check);
      this.#track(check.finally(() => this.#underWay.delete(keyOf(entry, block))));
    }
  }

  /** Whether the bytes of `row` may be given. Null: its epoch is over. */
  async #checkFor(entry: EntryRow, row: BlockRow | null, isAwaited: boolean): Promise<boolean> {
    if (row === null) return false;
    const verdict = await this.inspect(entry, row, isAwaited ? 'now' : 'soon');
    if (verdict.kind !== 'bad') return true;
    await this.cut(entry, verdict);
    return false;
  }

  /** Work that nobody need wait for. What fails leaves a block without a checksum: its next reader records it. */
  #track(work: Promise<unknown>): void {
    const tracked = work
      .catch((error: Error) => {
        if (isSeekwellError(error, 'CLOSED')) return;
        this.#parts.logger.debug({}, `a block could not be checked: ${error.message}`);
      })
      .finally(() => this.#work.delete(tracked));
    this.#work.add(tracked);
  }
}

function keyOf(entry: EntryRow, block: number): string {
  return `${entry.filePath}#${block}`;
}
