import { PRIORITY, type Priority } from '#seekwell/core/priority';
import type { EnsureOutcome, EntryRow, HeldRow } from '#seekwell/repository/cache-repository';
import type { SimulatedFile } from './simulated-disk.ts';
import type { Version } from './simulated-origin.ts';
import type { SimulatedProcess } from './simulated-process.ts';

/** The most bytes of a new row. */
const CHUNK = 6;
/** Bytes that are written before they are committed, unless the fetch ends. */
const COMMITTED_AT_ONCE = 4;

export type Steps = AsyncGenerator<void, void>;

/**
 * One fetch of a process, as the design says: plan, ENSURE, ask the origin, describe, write, sync, COMMIT, go on, RELEASE. It stands still at every
 * `yield`, for any time, or for ever where the process is killed.
 */
export class SimulatedFetch {
  readonly steps: Steps;
  readonly entryId: number;
  readonly #process: SimulatedProcess;
  readonly #offset: number;
  readonly #priority: Priority;
  #position: number;
  /** Where the claim ends, as far as this fetch knows. */
  #limit: number;
  #recordedTo: number;

  constructor(process: SimulatedProcess, entryId: number, offset: number, priority: Priority) {
    this.#process = process;
    this.entryId = entryId;
    this.#offset = offset;
    this.#priority = priority;
    this.#position = offset;
    this.#recordedTo = offset;
    this.#limit = offset - 1;
    this.steps = this.#run();
  }

  /** Learns what the process still holds. */
  renewed(rows: readonly HeldRow[]): void {
    let end = this.#position - 1;
    for (const row of rows) {
      if (row.entryId === this.entryId && row.start <= end + 1 && row.end > end) end = row.end;
    }
    this.#limit = Math.min(this.#limit, end);
  }

  async *#run(): Steps {
    const plan = await this.#process.repository.readView(this.entryId, this.#offset);
    if (plan === null) return;
    const { entry } = plan;
    yield;
    const claim = await this.#ensure(entry, this.#offset);
    if (claim.kind === 'full') yield* this.#process.evictOther(entry.id);
    if (claim.kind !== 'mine') return;
    this.#limit = claim.end;
    yield;
    yield* this.#transfer(entry, claim.hasSpans);
    await this.#process.release(entry, { start: this.#offset, end: Math.max(this.#offset, this.#limit) });
  }

  async *#transfer(entry: EntryRow, hasSpans: boolean): Steps {
    const { world, repository } = this.#process;
    const version = world.originOf(entry).current;
    const { etag } = version.description.validator;
    if (entry.etag !== null && entry.etag !== etag) return yield* this.#process.remove(entry);
    // What the origin answers there, 416, tells the length too.
    if (this.#offset >= version.length) return yield* this.#finish(entry, version);
    yield;
    const described = await repository.describe({ ...this.#request(entry, version) });
    world.count(`describe: ${described.kind}`);
    if (described.kind === 'changed') yield* this.#process.remove(entry);
    if (described.kind !== 'described') return;
    yield;
    const file = hasSpans ? world.disk.open(entry.filePath) : world.disk.create(entry.filePath);
    if (file !== null) yield* this.#pump(entry, version, file);
  }

  async *#pump(entry: EntryRow, version: Version, file: SimulatedFile): Steps {
    const { world } = this.#process;
    while (this.#position < version.length) {
      if (this.#position > this.#limit) {
        // A renewal may have cut the claim: then this asks for what another holds.
        const claim = await this.#ensure(entry, this.#position);
        if (claim.kind !== 'mine') break;
        this.#limit = claim.end;
      }
      const end = Math.min(this.#position + 1 + (this.#position % 3), this.#limit, version.length - 1);
      world.disk.write(file, this.#process, this.#position, end, version.number);
      world.count(world.written(entry.filePath, this.#position, end) ? 'bytes written again' : 'bytes written');
      this.#position = end + 1;
      yield;
      if (this.#position - this.#recordedTo >= COMMITTED_AT_ONCE && !(yield* this.#commit(entry, version, file))) return;
    }
    if (!(yield* this.#commit(entry, version, file)) || this.#position < version.length) return;
    if (version.description.total === null) yield* this.#finish(entry, version);
  }

  async *#finish(entry: EntryRow, version: Version): Steps {
    const { repository, world } = this.#process;
    const outcome = await repository.finish({ ...this.#request(entry, version), total: version.length }, world.now);
    if (outcome.kind === 'changed') yield* this.#process.remove(entry);
  }

  /** Makes durable what is written, then records it. False: nothing more can be recorded. */
  async *#commit(entry: EntryRow, version: Version, file: SimulatedFile): AsyncGenerator<void, boolean> {
    if (this.#recordedTo === this.#position) return true;
    const range = { start: this.#recordedTo, end: this.#position - 1 };
    const { world } = this.#process;
    if (world.rules.syncsBeforeCommit) file.sync(this.#process);
    yield;
    const request = { ...this.#request(entry, version), range, quota: world.quota };
    const outcome = await this.#process.repository.commit(request, world.now);
    world.count(`commit: ${outcome.kind}`);
    if (outcome.kind === 'changed') yield* this.#process.remove(entry);
    if (outcome.kind !== 'committed') return false;
    this.#recordedTo = this.#position;
    yield;
    return true;
  }

  async #ensure(entry: EntryRow, offset: number): Promise<EnsureOutcome> {
    const { world, repository } = this.#process;
    const request = { entryId: entry.id, epoch: entry.epoch, offset, limit: null, chunkSize: CHUNK, rows: 1, quota: world.quota };
    // What follows a background row may have no row: going on there is look-ahead.
    const priority = offset === this.#offset ? this.#priority : Math.min(this.#priority, PRIORITY.HIGH);
    const outcome = await repository.ensure({ ...request, priority: priority as Priority }, world.now);
    world.count(`ensure: ${outcome.kind}`);
    return outcome;
  }

  #request(entry: EntryRow, { description }: Version) {
    return { entryId: entry.id, epoch: entry.epoch, description, headers: {} };
  }
}
