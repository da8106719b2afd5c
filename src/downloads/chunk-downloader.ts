import type { ChunkFile } from '../chunk-store/chunk-store.ts';
import { type Ending, EndSignal } from '../core/ending.ts';
import { PRIORITY, type Priority } from '../core/priority.ts';
import { asSeekwellError, SeekwellError } from '../errors.ts';
import type { BytesAnswer, OriginAnswer } from '../origin/origin-client.ts';
import type { CommitOutcome, EnsureOutcome, EntryRow } from '../repository/cache-repository.ts';
import { Arrivals } from './arrivals.ts';
import { BodyQueue } from './body-queue.ts';
import type { FetchEnd } from './fetch-end.ts';
import { FetchRate } from './fetch-rate.ts';
import { type FetchParts, type FetchTask, type FetchUnderWay, originOf } from './fetch-task.ts';
import { Signal } from './signal.ts';
import { type Heard, SpanRecorder } from './span-recorder.ts';

/** What follows is asked for when this few bytes are left, so that a reader that goes on does not wait for another round trip. */
const NEAR_END_BYTES = 1024 * 1024;

/**
 * One request to the origin under way: writes what comes to the entry's file, where readers of this process take it at once, and records it as it goes.
 * It asks for exactly what it holds a claim for: bytes beyond would be lost, with what the system's buffers hold, when somebody else claims them. Only an
 * origin that sends the whole resource whatever it is asked makes it claim on as it goes.
 */
export class ChunkDownloader implements FetchUnderWay {
  readonly entry: EntryRow;
  readonly origin: string;
  readonly #parts: FetchParts;
  readonly #task: FetchTask;
  readonly #abort = new EndSignal();
  readonly #progress = new Signal();
  #priority: Priority;
  #start: number;
  #position: number;
  #limit: number;
  #heard: Heard | null = null;
  #end: FetchEnd | null = null;
  #stopping = false;
  #body: BodyQueue | null = null;
  /** The last byte of the body; null when the origin gives no length. */
  #bodyEnd: number | null = null;
  #wholeBody = false;
  readonly #arrived = new Signal();
  readonly #arrivals: Arrivals;
  #file: ChunkFile | null = null;
  #hasSpans: boolean;
  #recorder: SpanRecorder | null = null;
  /** The epoch moved when a claim was made. */
  #gone = false;
  /** Why what comes of the body cannot be kept. */
  #unplaced: FetchEnd | null = null;
  #nearEnd = false;
  readonly pace: FetchRate;

  constructor(task: FetchTask, parts: FetchParts) {
    this.#task = task;
    this.#parts = parts;
    this.pace = new FetchRate(parts.clock);
    this.#arrivals = new Arrivals(parts.clock, { came: () => this.#progress.fire(), gathered: () => this.#gathered() });
    this.entry = task.entry;
    this.origin = originOf(task.entry.originalUrl);
    this.#priority = task.priority;
    this.#hasSpans = task.hasSpans;
    this.#start = task.spec.kind === 'from' ? task.spec.start : Number.MAX_SAFE_INTEGER;
    this.#position = this.#start;
    this.#limit = task.claimedEnd ?? this.#start - 1;
  }

  get priority(): Priority {
    return this.#priority;
  }

  /** What it goes on as when no reader wants it any more; null: then it stops. */
  get purpose(): Priority | null {
    return this.#task.purpose;
  }

  /** The first byte it writes, or wrote. */
  get start(): number {
    return this.#start;
  }

  /** The next byte that will be written: everything from the start to before it can be read from the file. */
  get position(): number {
    return this.#position;
  }

  /** The next byte that will come: those before it are written, or wait in memory to be. */
  get arriving(): number {
    return this.#position + (this.#body?.bytes ?? 0);
  }

  /** The last byte it holds a claim for. */
  get limit(): number {
    return this.#limit;
  }

  /** What the origin told, once its headers came. */
  get heard(): Heard | null {
    return this.#heard;
  }

  /** How it ended, once everything it wrote is recorded and its claims are given back. */
  get end(): FetchEnd | null {
    return this.#end;
  }

  /** It will write no more. */
  get stopping(): boolean {
    return this.#stopping || this.#end !== null;
  }

  /** The origin sends the whole resource, front to back, whatever was asked for. */
  get wholeBody(): boolean {
    return this.#wholeBody;
  }

  /** It got a whole body, none of which it could keep: somebody else has the rows. */
  get isIdle(): boolean {
    return this.#wholeBody && !this.pace.begun;
  }

  /** How long it will need for the rest of its claim at the rate it has had, in milliseconds; 0 while that cannot be told. */
  remainingMs(): number {
    return this.pace.remainingMs(this.arriving - this.#start, this.#limit - this.arriving + 1);
  }

  /** Bytes a millisecond since the first ones came; 0 before. */
  get rate(): number {
    return this.pace.of(this.arriving - this.#start);
  }

  /** Whether the file holds `offset` because this fetch wrote it. */
  hasWritten(offset: number): boolean {
    return offset >= this.#start && offset < this.#position;
  }

  /** Whether `offset` can be read: from its file, or from memory before it is written. */
  has(offset: number): boolean {
    return this.hasWritten(offset) || (this.#recorder !== null && this.#body?.holds(offset) === true);
  }

  /** Copies what memory still holds of the bytes at `position`. Returns how many bytes that were. */
  copyTo(into: Uint8Array, position: number): number {
    return this.#recorder === null || this.#body === null ? 0 : this.#body.copyTo(into, position);
  }

  /** Resolves when it got further, changed its mind or ended. */
  changed(signal?: Ending): Promise<void> {
    return this.#progress.next(signal);
  }

  /** Waits for the origin's headers; null when it ended without, or `signal` fired. */
  async untilHeard(signal: Ending): Promise<Heard | null> {
    while (this.#heard === null && this.#end === null && !signal.aborted) await this.changed(signal);
    return this.#heard;
  }

  /** Somebody waits for it now, or nobody does any more: that decides what slows it. */
  setPriority(priority: Priority): void {
    this.#priority = priority;
    this.#arrived.fire();
  }

  /** Gives up what lies beyond `limit`: somebody else fetches that. */
  truncate(limit: number): void {
    if (limit >= this.#limit) return;
    this.#limit = limit;
    if (this.arriving > limit) this.stop();
  }

  /** Ends the transfer; what was written is recorded. */
  stop(): void {
    if (this.stopping) return;
    this.#stopping = true;
    this.#abort.abort();
    this.#body?.abort();
    this.#arrived.fire();
    this.#progress.fire();
  }

  /** Makes the end known, after its consequences are recorded. */
  conclude(end: FetchEnd): void {
    this.#end = end;
    this.#progress.fire();
  }

  /** Fetches until there is nothing left to do; never rejects. What was written is recorded and the file closed when it resolves. */
  async run(): Promise<FetchEnd> {
    let end: FetchEnd;
    try {
      end = await this.#transfer();
    } catch (error) {
      end = { kind: 'broken', error: asSeekwellError(error) };
    }
    this.#stopping = true;
    this.#body?.abort();
    this.#progress.fire();
    await this.#recorder?.close();
    await this.#file?.close();
    return this.#recorder?.failure ?? end;
  }

  async #transfer(): Promise<FetchEnd> {
    const { entry, spec, expected, spare } = this.#task;
    const location = { url: entry.originalUrl, headers: entry.requestHeaders };
    const answer = await this.#parts.origin.open({ location, range: spec, expected, spare }, this.#abort);
    if (this.#stopping && answer.kind === 'bytes') answer.body.abort();
    if (this.#stopping) return { kind: 'done' };
    if (answer.kind !== 'bytes') return this.#withoutBytes(answer);
    this.#body = new BodyQueue(answer.body, answer.start, () => this.#bytesCame());
    const heard = { description: answer.description, headers: answer.headers };
    // Before it counts bytes that are there already as its own: they may be another version's.
    const refusal = await this.#bindVersion(heard);
    if (refusal !== null) return refusal;
    if (!(await this.#place(answer))) return this.#unplaced ?? { kind: 'done' };
    // Not before it is known where the bytes lie: whoever hears of them looks for the fetch that brings them.
    this.#heard = heard;
    this.#progress.fire();
    this.#file = await this.#openFile();
    if (this.#file === null) return { kind: 'lost' };
    if (this.#stopping) return { kind: 'done' };
    const recorder = this.#record(this.#file, heard);
    this.#body.start();
    return this.#pump(this.#body, this.#file, recorder);
  }

  /**
   * Binds the epoch to the version that is about to be written, where none is yet: another fetch may have heard of another one, and two versions must never
   * meet in one file. Null: go on.
   */
  async #bindVersion(heard: Heard): Promise<FetchEnd | null> {
    if (this.#task.expected !== null) return null;
    const { repository } = this.#parts;
    const outcome = await repository.describe({ entryId: this.entry.id, epoch: this.entry.epoch, ...heard });
    return outcome.kind === 'described' ? null : outcome;
  }

  /** Readers take what came before it is written; the first bytes are written at once, so that others learn of the fetch. */
  #bytesCame(): void {
    // Somebody else fetches the rest by now.
    if (!this.#wholeBody && this.#limit < (this.#task.claimedEnd ?? 0) && this.arriving > this.#limit) this.stop();
    this.#arrivals.came(this.#priority < PRIORITY.MEDIUM, !this.pace.begun || this.#body?.over !== null || this.#body.isHalfFull);
  }

  #gathered(): void {
    this.#progress.fire();
    this.#arrived.fire();
  }

  #record(file: ChunkFile, heard: Heard): SpanRecorder {
    const { repository, clock, checker, guide, quota } = this.#parts;
    this.#recorder = new SpanRecorder(this.entry, file, heard, this.#position, {
      repository,
      clock,
      checker,
      quota,
      recorded: (complete) => guide.recorded(this, complete),
      failed: () => this.#arrived.fire(),
    });
    return this.#recorder;
  }

  async #withoutBytes(answer: Exclude<OriginAnswer, BytesAnswer>): Promise<FetchEnd> {
    switch (answer.kind) {
      case 'empty': {
        // The file of a complete entry is the resource, with no bytes too.
        this.#file = await this.#openFile();
        await this.#file?.sync();
        this.#heard = { description: answer.description, headers: {} };
        const outcome = await this.#finish(0, this.#heard);
        return outcome.kind === 'committed' ? { kind: 'empty' } : outcome;
      }
      case 'encoded':
        return {
          kind: 'uncacheable',
          error: new SeekwellError('ORIGIN_WRONG', `the origin sends the resource encoded as ${answer.encoding}`),
        };
      case 'transient':
        return { ...answer, progress: false };
      default:
        return answer;
    }
  }

  /** Sets the position to where the body begins, claiming it where that is not what was claimed. False: somebody else has it. */
  async #place(answer: BytesAnswer): Promise<boolean> {
    this.#bodyEnd = answer.end;
    this.#wholeBody = answer.rangesRefused || answer.end === null;
    if (answer.start === this.#start) return true;
    const held = this.#limit >= this.#start ? { start: this.#start, end: this.#limit } : null;
    this.#start = answer.start;
    this.#position = answer.start;
    this.#limit = answer.start - 1;
    return this.#take(await this.#parts.guide.claimStart(this, answer, held));
  }

  async #openFile(): Promise<ChunkFile | null> {
    const { store } = this.#parts;
    // A file that is gone although spans were recorded must not be made anew: its holes would pass for those bytes.
    return this.#hasSpans ? store.open(this.entry.filePath) : store.create(this.entry.filePath);
  }

  async #pump(body: BodyQueue, file: ChunkFile, recorder: SpanRecorder): Promise<FetchEnd> {
    for (;;) {
      if (recorder.failure !== null) return recorder.failure;
      if (this.#gone) return { kind: 'gone' };
      if (this.#stopping) return this.#keepWhatCame(body, file, recorder);
      // Bytes that are there already are not written again.
      body.skipTo(this.#position);
      if (body.bytes === 0 && body.over !== null) return this.#bodyEnded(body.over.error);
      if (body.bytes === 0 || !this.#arrivals.due) {
        await this.#arrived.next();
      } else if (this.#position > this.#limit && !(await this.#claimNext())) {
        return this.#gone ? { kind: 'gone' } : (this.#unplaced ?? { kind: 'done' });
      } else {
        await this.#write(body, file, recorder);
      }
    }
  }

  /** What came before it was stopped is kept: readers may have had it already. */
  async #keepWhatCame(body: BodyQueue, file: ChunkFile, recorder: SpanRecorder): Promise<FetchEnd> {
    body.skipTo(this.#position);
    while (body.bytes > 0 && this.#position <= this.#limit) await this.#write(body, file, recorder);
    return { kind: 'done' };
  }

  async #bodyEnded(error: SeekwellError | null): Promise<FetchEnd> {
    if (error !== null) return { kind: 'transient', error, retryAfterMs: null, progress: this.pace.begun };
    if (this.#bodyEnd !== null || this.#heard === null) return { kind: 'done' };
    await this.#recorder?.flush();
    const outcome = await this.#finish(this.#position, this.#heard);
    if (outcome.kind !== 'committed') return outcome;
    this.#parts.guide.recorded(this, outcome.complete);
    return { kind: 'done' };
  }

  #finish(total: number, heard: Heard): Promise<CommitOutcome> {
    const { repository, clock } = this.#parts;
    return repository.finish({ entryId: this.entry.id, epoch: this.entry.epoch, total, ...heard }, clock.now());
  }

  async #write(body: BodyQueue, file: ChunkFile, recorder: SpanRecorder): Promise<void> {
    const chunks = body.take(Math.min(this.#limit - this.#position + 1, this.#parts.guide.portion));
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    if (bytes === 0) return;
    if (body.bytes === 0) this.#arrivals.taken();
    body.letFlow();
    await file.write(chunks, this.#position);
    body.forgetTaken();
    this.pace.came();
    this.#position += bytes;
    this.#progress.fire();
    recorder.written(this.#position);
    if (!this.#nearEnd && !this.#stopping && !this.#wholeBody && this.#limit - this.#position < NEAR_END_BYTES) {
      this.#nearEnd = true;
      this.#parts.guide.nearEnd(this);
    }
    const { guide } = this.#parts;
    for (let wait = guide.throttle(this, bytes); wait > 0 && !this.#stopping; wait = guide.throttle(this, 0)) await this.#rest(wait);
  }

  /** Waits, unless it is stopped or a reader comes to wait for it. */
  async #rest(ms: number): Promise<void> {
    const priority = this.#priority;
    let over = false;
    const timer = this.#parts.clock.after(ms, () => {
      over = true;
      this.#arrived.fire();
    });
    while (!over && !this.#stopping && this.#priority === priority) await this.#arrived.next();
    timer.cancel();
  }

  /** Claims on, now that everything that was claimed is written. */
  async #claimNext(): Promise<boolean> {
    if (!this.#wholeBody) return false;
    const outcome = await this.#parts.guide.claimNext(this, this.#limit + 1);
    return outcome !== null && this.#take(outcome);
  }

  async #take(outcome: EnsureOutcome): Promise<boolean> {
    if (outcome.kind === 'mine') {
      this.#limit = outcome.end;
      this.#hasSpans ||= outcome.hasSpans;
      return true;
    }
    if (outcome.kind === 'gone') this.#gone = true;
    if (outcome.kind === 'full')
      this.#unplaced = { kind: 'uncacheable', error: new SeekwellError('QUOTA_EXCEEDED', 'the body has no room') };
    if (outcome.kind !== 'present' || !this.#wholeBody || this.#stopping) return false;
    // The body runs through what is there already: skip it, and look what follows.
    this.#hasSpans = true;
    await this.#recorder?.flush();
    this.#position = outcome.span.end + 1;
    this.#recorder?.skipTo(this.#position);
    this.#limit = outcome.span.end;
    this.#progress.fire();
    return true;
  }
}
