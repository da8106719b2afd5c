import type { ByteRange } from '#seekwell/core/byte-ranges';
import { PRIORITY, type Priority } from '#seekwell/core/priority';
import type { CacheRepository, EntryRow } from '#seekwell/repository/cache-repository';
import { SimulatedFetch, type Steps } from './simulated-fetch.ts';
import type { SimulatedWorld } from './simulated-world.ts';

/** One process with the work it has under way. Killing it is forgetting this object. */
export class SimulatedProcess {
  readonly world: SimulatedWorld;
  readonly repository: CacheRepository;
  readonly #fetches: SimulatedFetch[] = [];
  readonly #chores: Steps[] = [];

  constructor(world: SimulatedWorld, repository: CacheRepository) {
    this.world = world;
    this.repository = repository;
  }

  fetch(entryId: number, offset: number, priority: Priority): void {
    this.#fetches.push(new SimulatedFetch(this, entryId, offset, priority));
  }

  /** How many things are. */
  get underWay(): number {
    return this.#fetches.length + this.#chores.length;
  }

  /** Lets one of the things that are under way, number `choice`, go on to its next stop. */
  async run(choice: number): Promise<void> {
    const all = [...this.#fetches.map(({ steps }) => steps), ...this.#chores];
    const steps = all[choice] as Steps;
    if ((await steps.next()).done !== true) return;
    const fetch = this.#fetches.findIndex((one) => one.steps === steps);
    if (fetch >= 0) this.#fetches.splice(fetch, 1);
    else this.#chores.splice(this.#chores.indexOf(steps), 1);
  }

  async renew(): Promise<void> {
    const rows = await this.repository.renew(this.world.now);
    rows.sort((a, b) => a.start - b.start);
    for (const fetch of this.#fetches) fetch.renewed(rows);
  }

  async background(): Promise<void> {
    await this.repository.sweep(true, this.world.now);
    const [work] = await this.repository.pendingWork(1, this.world.now);
    if (work !== undefined) this.fetch(work.entry.id, work.start, work.priority === PRIORITY.MEDIUM ? PRIORITY.MEDIUM : PRIORITY.LOW);
  }

  async fill({ id: entryId, epoch }: EntryRow): Promise<void> {
    await this.repository.fill({ entryId, epoch, chunkSize: 6 }, this.world.now);
  }

  release({ id: entryId, epoch }: EntryRow, range: ByteRange): Promise<void> {
    return this.repository.release({ entryId, epoch, range, fill: true }, this.world.now);
  }

  startRemoval(entry: EntryRow): void {
    this.#chores.push(this.remove(entry));
  }

  startDeletion(entry: EntryRow): void {
    this.#chores.push(this.#delete(entry));
  }

  startCollection(): void {
    this.#chores.push(this.#collect());
  }

  /** Rows first, durably, then the bytes. */
  async *remove(entry: EntryRow): Steps {
    const { world, repository } = this;
    const newFilePath = world.newPath();
    if (!world.rules.removesRowsFirst) world.disk.unlink(entry.filePath);
    if (!world.rules.removesRowsFirst) yield;
    const removed = await repository.removeBytes({ entryId: entry.id, epoch: entry.epoch, newFilePath }, world.now);
    world.count(removed ? 'removed' : 'removed by another');
    if (!removed) return;
    yield;
    yield* this.#emptyTrash();
  }

  async *#delete(entry: EntryRow): Steps {
    await this.repository.deleteEntry(entry.id, this.world.now);
    yield;
    yield* this.#emptyTrash();
  }

  /** Makes room by removing the bytes of an entry other than `entryId`. */
  async *evictOther(entryId: number): Steps {
    const page = await this.repository.entriesWithState({ limit: 10 }, this.world.now);
    const victim = page.entries.find(({ entry, state }) => entry.id !== entryId && state.downloadedBytes > 0);
    if (victim !== undefined) yield* this.remove(victim.entry);
  }

  async *#emptyTrash(): Steps {
    for (const file of await this.repository.trash()) {
      this.world.disk.unlink(file.filePath);
      yield;
      await this.repository.forgetTrash(file.id);
    }
  }

  /** Lists the folder first, then unlinks what nobody owns. */
  async *#collect(): Steps {
    const paths = this.world.disk.list();
    yield* this.#emptyTrash();
    for (const path of paths) {
      yield;
      if (!(await this.repository.ownsFile(path))) this.world.disk.unlink(path);
    }
  }
}
