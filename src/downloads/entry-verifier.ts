import type { Clock } from '../clock.ts';
import { blockAt, rangeOfBlock } from '../core/blocks.ts';
import { type ByteRange, intersect, lengthOf } from '../core/byte-ranges.ts';
import { asSeekwellError, SeekwellError } from '../errors.ts';
import type { BlockRow, CacheRepository, EntryRow } from '../repository/cache-repository.ts';
import type { BlockChecker, Verdict } from './block-checker.ts';
import { pause } from './signal.ts';

/** So many blocks are looked up with one question, and noted as checked with one change. */
const BATCH = 64;
/** What was fetched again is recorded within so many looks, so many milliseconds apart; else it could not be kept. */
const LOOKS = 100;
const LOOK_MS = 20;

/** Recorded bytes that are wrong. */
export interface BadBytes extends ByteRange {
  /** They do not add up, the disk cannot read them, the file ends before them, there is no file. */
  readonly why: 'checksum' | 'unreadable' | 'short' | 'missing';
}

/** What a look at all cached bytes of an entry found. */
export interface VerifyReport {
  /** Bytes that were held against a checksum. */
  readonly checkedBytes: number;
  /** Whole blocks that had no checksum, and have one now. */
  readonly newChecksums: number;
  /** Readable bytes in blocks that are not all there yet, which have no checksum. */
  readonly partialBytes: number;
  readonly bad: readonly BadBytes[];
  /** All that was bad is cut and fetched again. False where nothing was bad, or nothing was to be repaired. */
  readonly repaired: boolean;
  /** Why bad bytes that were cut could not be fetched again now, or null. */
  readonly failure: string | null;
}

export interface VerifyOptions {
  /** Whether bad bytes are cut out of what is cached, and fetched again; false unless told. Until then readers that come to them do so. */
  readonly repair?: boolean;
  /** Called as bad bytes are found. */
  readonly onBad?: (bad: BadBytes) => void;
  readonly signal?: AbortSignal;
}

export interface VerifierParts {
  readonly repository: CacheRepository;
  readonly checker: BlockChecker;
  readonly clock: Clock;
  /** Fetches `range` of the entry. @throws SeekwellError what keeps it from being fetched */
  fetch(range: ByteRange): Promise<void>;
}

/**
 * Reads all that is recorded of `entry` back, and repairs it where that is asked for.
 * @throws SeekwellError CLOSED when `options.signal` aborts; STORAGE_FAILED; ENTRY_NOT_FOUND when the entry is removed meanwhile
 */
export async function verifyEntry(entry: EntryRow, options: VerifyOptions, parts: VerifierParts): Promise<VerifyReport> {
  const report = await EntryVerifier.verify(entry, options, parts);
  if (options.repair !== true || report.bad.length === 0) return { ...report, repaired: false, failure: null };
  try {
    for (const range of report.bad) await parts.fetch(range);
    const recorded = await areRecorded(entry.id, report.bad, parts);
    return { ...report, repaired: recorded, failure: recorded ? null : 'there is no room for them in the cache' };
  } catch (error) {
    return { ...report, repaired: false, failure: asSeekwellError(error).message };
  }
}

/** Whether what was just fetched is recorded: the last commit may be under way. */
async function areRecorded(id: number, ranges: readonly ByteRange[], { repository, clock }: VerifierParts): Promise<boolean> {
  for (const range of ranges) {
    for (let look = 1; !(await repository.hasByteRange(id, range)); look++) {
      if (look === LOOKS) return false;
      await pause(clock, LOOK_MS);
    }
  }
  return true;
}

/** Reads all that is recorded of one entry back, block by block. */
class EntryVerifier {
  readonly #parts: VerifierParts;
  readonly #options: VerifyOptions;
  #entry: EntryRow;
  #checkedBytes = 0;
  #newChecksums = 0;
  #partialBytes = 0;
  readonly #bad: BadBytes[] = [];
  /** Blocks that were right since the last note. */
  #right: number[] = [];

  private constructor(entry: EntryRow, options: VerifyOptions, parts: VerifierParts) {
    this.#entry = entry;
    this.#options = options;
    this.#parts = parts;
  }

  static async verify(entry: EntryRow, options: VerifyOptions, parts: VerifierParts): Promise<Omit<VerifyReport, 'repaired' | 'failure'>> {
    const verifier = new EntryVerifier(entry, options, parts);
    await parts.checker.settle();
    await verifier.#walk();
    await verifier.#note();
    return {
      checkedBytes: verifier.#checkedBytes,
      newChecksums: verifier.#newChecksums,
      partialBytes: verifier.#partialBytes,
      bad: verifier.#bad,
    };
  }

  /** From span to span: spans may come, go and grow meanwhile. */
  async #walk(): Promise<void> {
    for (let from = 0; ; ) {
      const [span] = await this.#parts.repository.spans(this.#entry.id, from, 1);
      if (span === undefined) return;
      const next = await this.#piece({ start: Math.max(from, span.start), end: span.end }, span);
      if (next === null) return;
      from = next;
    }
  }

  /** Looks at the first bytes of `rest`, which `span` has. Returns where to go on; null: nothing that follows can be read. */
  async #piece(rest: ByteRange, span: ByteRange): Promise<number | null> {
    const first = blockAt(rest.start);
    const last = Math.min(blockAt(rest.end), first + BATCH - 1);
    const { id: entryId, epoch } = this.#entry;
    const rows = await this.#parts.repository.blocks({ entryId, epoch, first, last });
    if (rows === null) {
      await this.#reload();
      return rest.start;
    }
    for (const row of rows) {
      this.#refuseWhenAborted();
      const part = intersect(row, rest);
      if (part === null) continue;
      const isWhole = row.whole && part.start === row.start && part.end === row.end;
      const block = isWhole ? row : { ...part, whole: false, crc32: null };
      const verdict = await this.#parts.checker.inspect(this.#entry, block, 'idle');
      if (verdict.kind !== 'bad') this.#count(verdict, row, part, isWhole);
      else return this.#found(verdict, part, span);
    }
    await this.#note();
    return Math.min(rest.end, rangeOfBlock(last, null).end) + 1;
  }

  #count(verdict: Verdict, { block }: BlockRow, part: ByteRange, isWhole: boolean): void {
    if (!isWhole) this.#partialBytes += lengthOf(part);
    else if (verdict.kind === 'recorded') this.#newChecksums++;
    else {
      this.#checkedBytes += lengthOf(part);
      this.#right.push(block);
    }
  }

  async #found(verdict: Extract<Verdict, { kind: 'bad' }>, part: ByteRange, span: ByteRange): Promise<number | null> {
    const { repository, checker } = this.#parts;
    const { why, range } = verdict;
    const spans = why === 'short' || why === 'missing' ? await repository.spans(this.#entry.id, range.start) : [span];
    for (const recorded of spans) {
      const bytes = intersect(recorded, range);
      if (bytes === null) continue;
      this.#bad.push({ ...bytes, why });
      this.#options.onBad?.({ ...bytes, why });
    }
    if (this.#options.repair === true) {
      await checker.cut(this.#entry, verdict);
      await this.#reload();
    }
    return why === 'short' || why === 'missing' ? null : part.end + 1;
  }

  async #note(): Promise<void> {
    const { repository, clock } = this.#parts;
    const entryId = this.#entry.id;
    const blocks = this.#right.map((block) => ({ entryId, block }));
    this.#right = [];
    if (blocks.length > 0) await repository.markChecked(blocks, clock.now());
  }

  async #reload(): Promise<void> {
    const entry = await this.#parts.repository.getEntry(this.#entry.id);
    if (entry === null) throw new SeekwellError('ENTRY_NOT_FOUND', 'the entry was removed');
    this.#entry = entry;
  }

  #refuseWhenAborted(): void {
    if (this.#options.signal?.aborted === true) throw new SeekwellError('CLOSED', 'the verification was ended');
  }
}
