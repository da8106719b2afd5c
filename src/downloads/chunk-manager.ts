import type { ChunkStore } from '../chunk-store/chunk-store.ts';
import type { Clock } from '../clock.ts';
import type { ByteRange } from '../core/byte-ranges.ts';
import type { Ending } from '../core/ending.ts';
import type { RangeSpec } from '../core/http-range.ts';
import { PRIORITY, type Priority } from '../core/priority.ts';
import { isSeekwellError, STORAGE_CODES } from '../errors.ts';
import type { OriginClient } from '../origin/origin-client.ts';
import type { CacheRepository, EnsureOutcome, EntryRow, PendingRow } from '../repository/cache-repository.ts';
import { AccessNotes } from './access-notes.ts';
import type { Acquired, Asker } from './acquired.ts';
import type { CacheEvents } from './cache-events.ts';
import { ChunkDownloader } from './chunk-downloader.ts';
import { Claims } from './claims.ts';
import { ConnectionLimits } from './connection-limits.ts';
import { DemandTable } from './demand-table.ts';
import type { DownloadSettings } from './download-settings.ts';
import type { FetchConsequences } from './fetch-consequences.ts';
import { FetchTable } from './fetch-table.ts';
import type { FetchGuide, FetchTask, FetchUnderWay } from './fetch-task.ts';
import { FillPlanner } from './fill-planner.ts';
import { GivingWay } from './giving-way.ts';
import { knownVersion } from './known-version.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import { type Granted, LookAhead } from './look-ahead.ts';
import type { ReaderDemand } from './reader-demand.ts';
import { RestSharing } from './rest-sharing.ts';
import { FULL_REST_MS, type Room } from './room.ts';
import { fairRows, MAX_ROWS } from './run-rows.ts';
import { Signal } from './signal.ts';
import type { BlockKeeper, Heard } from './span-recorder.ts';
import type { StorageHealth } from './storage-health.ts';
import { Throttle } from './throttle.ts';
import type { Traffic } from './traffic.ts';

export interface ManagerParts {
  readonly repository: CacheRepository;
  readonly store: ChunkStore;
  readonly origin: OriginClient;
  readonly clock: Clock;
  readonly checker: BlockKeeper;
  readonly events: CacheEvents;
  readonly consequences: FetchConsequences;
  readonly settings: DownloadSettings;
  readonly room: Room;
  readonly traffic: Traffic;
}

/**
 * Claims byte ranges and runs the fetches that hold them. What is wanted stands in the database and in the readers that are open; kept here are only the
 * fetches under way. A claim decides, never a plan: whoever gets the row fetches.
 */
export class ChunkManager implements FetchGuide {
  /** Plans the rest of what readers opened. */
  readonly fills: FillPlanner;
  /** Notes what is read. */
  readonly accesses: AccessNotes;
  /** Opens more connections for readers that can use them. */
  readonly lookAhead: LookAhead;
  /** Has idle connections take part in what is under way. */
  readonly restSharing: RestSharing;
  readonly limits: ConnectionLimits;
  readonly storage: StorageHealth;
  readonly #parts: ManagerParts;
  readonly #fetches = new FetchTable();
  readonly #leases: LeaseKeeper;
  readonly #running = new Set<Promise<void>>();
  readonly #demands: DemandTable;
  readonly #claims: Claims;
  /** Fires whenever a fetch ended. */
  readonly #freed = new Signal();
  readonly #throttle: Throttle;
  readonly #givingWay: GivingWay;
  readonly #roomListeners = new Set<() => void>();
  #closed = false;

  constructor(parts: ManagerParts) {
    this.#parts = parts;
    this.storage = parts.consequences.storage;
    this.storage.onRested(() => this.#room());
    const { repository, settings, clock } = parts;
    this.accesses = new AccessNotes(repository, clock);
    this.#demands = new DemandTable(settings.chunkSize);
    this.#claims = new Claims(parts);
    this.limits = new ConnectionLimits({
      fetches: this.#fetches,
      settings,
      clock,
      readersWait: () => this.#demands.areWaiting(),
      eased: () => this.#room(),
    });
    const shared = {
      fetches: this.#fetches,
      limits: this.limits,
      claims: this.#claims,
    };
    this.lookAhead = new LookAhead({
      ...shared,
      repository,
      settings,
      demands: this.#demands,
      start: (entry, offset, granted, priority, purpose) => void this.#startFrom(entry, offset, granted, priority, purpose),
      room: this.#room,
    });
    this.restSharing = new RestSharing({
      ...shared,
      takeOver: (entry, start, end) => this.#takeOver(entry, start, end),
      start: async (entry, offset, granted, priority) =>
        priority === PRIORITY.HIGH
          ? this.lookAhead.begin(entry, offset, granted, null)
          : void this.#startFrom(entry, offset, granted, priority),
    });
    this.#givingWay = new GivingWay({ fetches: this.#fetches, limits: this.limits, clock, freed: this.#freed, room: this.#room });
    this.#leases = new LeaseKeeper(parts.repository, parts.clock, this.#fetches, settings.fill);
    this.fills = new FillPlanner({ ...parts, planned: () => this.#room() });
    this.#throttle = new Throttle({ settings, clock, fetches: this.#fetches, wanted: (fetch) => this.#demands.want(fetch) });
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The entries that are fetched now. */
  fetchedEntries(): number[] {
    return this.#fetches.entryIds();
  }

  /** How many fetches are under way. */
  get activeFetches(): number {
    return this.#fetches.size;
  }

  /** Calls `listener` whenever a fetch ended or work was added: there may be something to start. */
  onRoom(listener: () => void): void {
    this.#roomListeners.add(listener);
  }

  /** A reader is there: what it wants is fetched ahead of it until `detach`. */
  attach(entryId: number, demand: ReaderDemand): void {
    this.#demands.add(entryId, demand);
  }

  /** The reader is gone. `finished`: it got all it asked for; else it left, and what only it wanted stops. */
  detach(entryId: number, demand: ReaderDemand, finished: boolean): void {
    this.#demands.delete(entryId, demand);
    let changed = demand.waiting;
    for (const fetch of this.#fetches.of(entryId)) {
      if (fetch.priority >= PRIORITY.MEDIUM || fetch.stopping || this.#demands.want(fetch)) continue;
      changed = true;
      // The rest would be fetched anyway, at the price of another request.
      if (fetch.purpose !== null) fetch.setPriority(fetch.purpose);
      else if (
        this.#fills(fetch.entry) &&
        (fetch.wholeBody || (finished && this.#fetches.runningOf(entryId) <= this.#parts.settings.connections))
      )
        fetch.setPriority(PRIORITY.LOW);
      else fetch.stop();
    }
    if (changed) this.#room();
  }

  /** A reader began to take bytes as fast as they come. */
  hungered(): void {
    this.#room();
  }

  /** Brings the byte at `offset`, which no span covers, to a reader. */
  async acquire(entry: EntryRow, offset: number, asker: Asker): Promise<Acquired> {
    if (this.#closed) return { kind: 'again' };
    for (const fetch of this.#fetches.of(entry.id)) this.#throttle.promote(fetch);
    const near = this.#fetches.bringing(entry.id, entry.epoch, offset);
    if (near !== null) return this.#join(near);
    if (this.#parts.consequences.isUnstable(entry.id) || this.storage.rests) return { kind: 'uncacheable' };
    const place = this.limits.admit(entry);
    if (place === null) return this.#waitForConnection(entry, asker.ending);
    try {
      return await this.#fetchFor(entry, offset, asker);
    } finally {
      place();
      // Where no fetch took it, no end of one will tell those who wait for a connection.
      this.#freed.fire();
    }
  }

  async #fetchFor(entry: EntryRow, offset: number, { demand, probe }: Asker): Promise<Acquired> {
    const limit = this.#fills(entry) ? null : demand.end;
    const how = { limit, priority: PRIORITY.CRITICAL, rows: this.lookAhead.rowsFor(entry, offset) };
    const outcome = await this.#claims
      .claim(entry, offset, how, probe ? PRIORITY.LOW : PRIORITY.CRITICAL)
      .catch((error) => this.#withoutDatabase(error));
    switch (outcome.kind) {
      case 'mine': {
        // The reader left while the claim was made: nobody would end the fetch.
        if (!this.#demands.holds(entry.id, demand)) return this.#giveBack(entry, offset, outcome.end);
        this.#takeOver(entry, offset, outcome.end);
        return { kind: 'fetch', fetch: this.#startFrom(entry, offset, outcome, PRIORITY.CRITICAL) };
      }
      case 'theirs':
        return this.#theirs(entry, offset, outcome);
      case 'full':
      case 'broken':
        return { kind: 'uncacheable' };
      default:
        return { kind: 'again' };
    }
  }

  /** What a fetch under way heard of the entry's current version; null where the database knows more. */
  heardOf(entry: EntryRow): Heard | null {
    return this.#fetches.heardOf(entry.id, entry.epoch);
  }

  /** Brings the last `length` bytes of a resource whose length is not known yet. They are claimed when it is known where they lie. */
  async acquireSuffix(entry: EntryRow, length: number, ending: Ending): Promise<Acquired> {
    if (this.#closed) return { kind: 'again' };
    const underWay = this.#fetches.suffixOf(entry, length);
    if (underWay !== null) return this.#join(underWay);
    const place = this.limits.admit(entry);
    if (place === null) return this.#waitForConnection(entry, ending);
    const fetch = this.#start(entry, { kind: 'suffix', length }, null, PRIORITY.CRITICAL, null);
    place();
    return { kind: 'fetch', fetch };
  }

  /** Starts background work on a pending row, where limits allow it. False: not now. */
  async startPending(row: PendingRow): Promise<boolean> {
    const { entry, start: offset } = row;
    // What lies ahead of a reader is look-ahead whoever planned it: as background work, readers of other processes would take it over.
    const ahead = this.#demands.wantedUntil(entry, offset) !== null;
    const priority = ahead ? PRIORITY.HIGH : row.priority;
    const urgency = ahead && this.#demands.areHungry(entry.id) ? PRIORITY.HIGH : row.priority;
    if (this.#closed || this.storage.rests || this.#parts.room.isFull(entry.id) || !this.limits.allows(entry, urgency)) return false;
    const outcome = await this.#claims.claim(entry, offset, { limit: null, priority, rows: await this.#rowsFor(entry) });
    if (outcome.kind === 'full') this.#parts.clock.after(FULL_REST_MS, () => this.#room());
    if (outcome.kind !== 'mine') return false;
    if (ahead) await this.lookAhead.begin(entry, offset, outcome, row.priority);
    else this.#startFrom(entry, offset, outcome, priority);
    return true;
  }

  /** Stops fetches of an entry that was paused or is about to go, before the next renewal would tell them. */
  stopEntry(entryId: number, what: 'all' | 'unread'): void {
    for (const fetch of this.#fetches.of(entryId)) if (what === 'all' || fetch.priority !== PRIORITY.CRITICAL) fetch.stop();
  }

  /** Ends every fetch, recording what was written. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const fetch of this.#fetches.all()) fetch.stop();
    this.#freed.fire();
    await this.#claims.close();
    await Promise.all(this.#running);
    this.#givingWay.close();
    this.#leases.close();
  }

  nearEnd(fetch: FetchUnderWay): void {
    // A failure here costs a round trip: the reader asks itself when it gets there.
    this.lookAhead.followOn(fetch).catch(() => {});
  }

  async claimNext(fetch: FetchUnderWay, offset: number): Promise<EnsureOutcome | null> {
    const entry = await this.#parts.repository.getEntry(fetch.entry.id);
    if (entry === null || entry.epoch !== fetch.entry.epoch) return { kind: 'gone' };
    const fills = this.#fills(entry);
    // What an origin without ranges sends cannot be asked for again from the middle: keep it while the entry is wanted at all.
    if (!fills && fetch.priority !== PRIORITY.MEDIUM && !this.#demands.has(entry.id)) return null;
    return this.#claims.claim(entry, offset, { limit: null, priority: PRIORITY.HIGH, rows: 1 }, fetch.priority);
  }

  async claimStart(
    fetch: FetchUnderWay,
    body: { readonly start: number; readonly end: number | null },
    held: ByteRange | null,
  ): Promise<EnsureOutcome> {
    if (held !== null) await this.#claims.release(fetch.entry, held);
    // A suffix was asked for as a whole and is claimed as a whole; a whole body as it comes.
    const rows = fetch.wholeBody ? 1 : MAX_ROWS;
    const how = { limit: fetch.wholeBody ? null : body.end, priority: PRIORITY.CRITICAL, rows };
    return this.#claims.claim(fetch.entry, body.start, how, fetch.priority);
  }

  get portion(): number {
    return this.#throttle.portion;
  }

  throttle(fetch: FetchUnderWay, bytes: number): number {
    this.#parts.traffic.originBytes += bytes;
    const wait = this.#throttle.take(fetch, bytes);
    this.limits.received(fetch, bytes, wait);
    return wait;
  }

  recorded(fetch: FetchUnderWay, complete: boolean): void {
    const { events } = this.#parts;
    this.storage.worked();
    events.emit('rangesAdded', { entryId: fetch.entry.id });
    if (complete) events.emit('entryChanged', { entryId: fetch.entry.id });
    else this.fills.recorded(fetch.entry, this.#demands.has(fetch.entry.id));
  }

  /** The origin has as many connections as it may have, all of which readers wait for. */
  async #waitForConnection(entry: EntryRow, ending: Ending): Promise<Acquired> {
    const left = this.limits.waits(entry);
    await this.#freed.next(ending);
    left();
    return { kind: 'again' };
  }

  async #giveBack(entry: EntryRow, start: number, end: number): Promise<Acquired> {
    await this.#claims.release(entry, { start, end });
    this.#room();
    return { kind: 'again' };
  }

  #fills(entry: EntryRow): boolean {
    return this.#parts.settings.fill && entry.fillAllowed;
  }

  #join(fetch: ChunkDownloader): Acquired {
    if (fetch.priority !== PRIORITY.CRITICAL && !fetch.stopping) fetch.setPriority(PRIORITY.CRITICAL);
    return { kind: 'fetch', fetch };
  }

  #theirs(entry: EntryRow, offset: number, outcome: Extract<EnsureOutcome, { kind: 'theirs' }>): Acquired {
    if (outcome.own) {
      const fetch = this.#fetches.holding(entry.id, entry.epoch, offset);
      if (fetch !== null) return this.#join(fetch);
    }
    return { kind: 'elsewhere', until: outcome.leaseUntil };
  }

  /**
   * A claim took `start` to `end`: whoever fetched that here stops before it, and its rows beyond are given back, for nobody brings them. The holder in another
   * process learns it when it renews.
   */
  #takeOver(entry: EntryRow, start: number, end: number): void {
    for (const fetch of this.#fetches.of(entry.id)) {
      const { limit } = fetch;
      if (fetch.entry.epoch !== entry.epoch || fetch.start > start || limit < start) continue;
      fetch.truncate(start - 1);
      // Where that fails their leases end by themselves.
      if (limit > end) this.#claims.release(entry, { start: end + 1, end: limit }, true).then(this.#room, () => {});
    }
  }

  /** Rows of one run: a fair part of half of what is left. */
  async #rowsFor(entry: EntryRow): Promise<number> {
    const { repository, settings } = this.#parts;
    const total = entry.expectedTotalSize ?? 0;
    if (total === 0) return 1;
    const left = total - (await repository.getDownloadedBytes(entry.id));
    return fairRows(left / 2, settings);
  }

  #startFrom(entry: EntryRow, offset: number, granted: Granted, priority: Priority, purpose: Priority | null = null): ChunkDownloader {
    return this.#start(entry, { kind: 'from', start: offset, end: granted.end }, granted, priority, purpose);
  }

  #start(entry: EntryRow, spec: RangeSpec, claim: Granted | null, priority: Priority, idle: Priority | null): ChunkDownloader {
    const hasSpans = claim?.hasSpans ?? false;
    const purpose = claim?.requested === true ? PRIORITY.MEDIUM : priority === PRIORITY.LOW ? PRIORITY.LOW : idle;
    const expected = knownVersion(entry);
    const spare = priority < PRIORITY.MEDIUM ? () => this.limits.allowsSpare(entry) : null;
    const task: FetchTask = { entry, spec, claimedEnd: claim?.end ?? null, priority, purpose, expected, hasSpans, spare };
    const fetch = new ChunkDownloader(task, { ...this.#parts, guide: this, quota: this.#parts.settings.quota });
    this.#fetches.add(fetch, spec);
    // The claim was granted just before nothing was any more.
    if (this.#closed) fetch.stop();
    this.#leases.keep();
    const run = this.#run(fetch);
    this.#running.add(run);
    void run.finally(() => this.#running.delete(run));
    this.#parts.events.emit('entryChanged', { entryId: entry.id });
    return fetch;
  }

  async #run(fetch: ChunkDownloader): Promise<void> {
    this.#givingWay.watch(fetch);
    const end = await this.#givingWay.after(fetch, await fetch.run());
    if (end.kind === 'broken') this.storage.failed(end.error);
    await this.#parts.consequences.settle(fetch, end);
    this.#fetches.delete(fetch);
    fetch.conclude(end);
    this.#freed.fire();
    this.#room();
  }

  /** A claim that the database could not take: bytes are passed through instead. */
  #withoutDatabase(error: unknown): { readonly kind: 'broken' } {
    if (!isSeekwellError(error, ...STORAGE_CODES)) throw error;
    this.storage.failed(error);
    return { kind: 'broken' };
  }

  readonly #room = (): void => {
    if (this.#closed) return;
    for (const listener of this.#roomListeners) listener();
  };
}
