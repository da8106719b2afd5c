import { join, resolve } from 'node:path';
import { limitsOf, prepareFolder } from './cache-folder.ts';
import { type AddOptions, type CacheOptions, newEntryOf, settingsOf } from './cache-options.ts';
import { assembleCache, type CacheParts } from './cache-parts.ts';
import { Entry, type EntryHost, type OriginOptions, type PrefetchOptions, type ReadOptions } from './cached-entry.ts';
import type { FileSend } from './chunk-store/chunk-store.ts';
import { FolderDiskSpace } from './chunk-store/folder-disk-space.ts';
import { SparseFileStore } from './chunk-store/sparse-file-store.ts';
import { type Clock, systemClock } from './clock.ts';
import type { ByteRange } from './core/byte-ranges.ts';
import type { RangeSpec } from './core/http-range.ts';
import { servedAt, sweepDeadProcesses } from './dead-processes.ts';
import { BackgroundWork } from './downloads/background-work.ts';
import type { CacheEvents } from './downloads/cache-events.ts';
import { EntryReader } from './downloads/entry-reader.ts';
import { newFilePath } from './downloads/entry-removal.ts';
import { type VerifyOptions, type VerifyReport, verifyEntry } from './downloads/entry-verifier.ts';
import { type CollectReport, GarbageCollector } from './downloads/garbage-collector.ts';
import { KnownHeaders } from './downloads/known-headers.ts';
import { Prefetcher } from './downloads/prefetcher.ts';
import type { OpenOptions, ReaderParts } from './downloads/reader-options.ts';
import { readRange } from './downloads/reading.ts';
import { Scrubber } from './downloads/scrubber.ts';
import type { Traffic } from './downloads/traffic.ts';
import { WholeFiles } from './downloads/whole-files.ts';
import { type EntryInfo, toEntryInfo } from './entry-info.ts';
import { checkUrl, extensionOf, filenameOf, findEntry, keyOfUrl, type Ref } from './entry-key.ts';
import { checkNamed } from './entry-limits.ts';
import { isSeekwellError, SeekwellError, STORAGE_CODES } from './errors.ts';
import { type Logger, silentLogger } from './logger.ts';
import { UndiciOriginClient } from './origin/undici-origin-client.ts';
import { mayRun, processName } from './process-name.ts';
import { systemRandomness } from './randomness.ts';
import type { CacheStatistics, EntryKey, EntryQuery, EntryRow, ReadView } from './repository/cache-repository.ts';
import { SqliteRepository } from './repository/sqlite/sqlite-repository.ts';
import type { DownloadStateInfo } from './state-computer.ts';
import { type Address, streamUrl } from './stream-url.ts';

/** The name of the database in the cache folder. */
const DATABASE = 'seekwell.db';

/** Makes what a cache is made of. @throws SeekwellError as `FileCache.open` */
export async function wireCache(options: CacheOptions): Promise<CacheParts> {
  if (!options.cacheDir) throw new SeekwellError('BAD_OPTION', 'cacheDir is missing', { hint: 'Name the cache folder.' });
  const folder = resolve(options.cacheDir);
  await prepareFolder(folder);
  const clock = options.clock ?? systemClock;
  const logger = options.logger ?? silentLogger;
  const randomness = systemRandomness;
  const disk = options.diskSpace ?? new FolderDiskSpace(folder);
  const settings = settingsOf(options, limitsOf(options, await disk.size()));
  const driver = options.sqliteDriver === undefined ? {} : { driver: options.sqliteDriver };
  const repository = await SqliteRepository.open({ path: join(folder, DATABASE), owner: processName(randomness), ...driver });
  const store = new SparseFileStore({ folder, clock, durable: options.durability !== 'process-crash' });
  const origin = new UndiciOriginClient({ clock, ...(options.dispatcher === undefined ? {} : { dispatcher: options.dispatcher }) });
  return assembleCache({ folder, repository, store, disk, origin, clock, randomness, logger, mayRun }, options, settings);
}

/**
 * The cache: entries, their bytes, their derived states. Any number of processes may open the same folder. Everything it knows about a download it reads
 * from the database each time it is asked.
 */
export class FileCache implements AsyncDisposable, EntryHost {
  readonly #parts: CacheParts;
  readonly #reading: ReaderParts;
  readonly #wholeFiles: WholeFiles;
  readonly #background: BackgroundWork | null;
  readonly #prefetcher: Prefetcher;
  readonly #scrubber: Scrubber | null;
  /** Where it listens now, the newest last. */
  #addresses: readonly Address[] = [];
  #closing: Promise<void> | null = null;

  protected constructor(parts: CacheParts) {
    this.#parts = parts;
    this.#reading = { ...parts, headers: new KnownHeaders(parts.repository), lookahead: parts.settings.lookahead };
    this.#wholeFiles = new WholeFiles(parts);
    const { repository, manager, clock, logger, events, settings, options } = parts;
    const { background = true } = options;
    const only = typeof background === 'number' ? background : null;
    const plan = (): Promise<void> => this.#prefetcher.planWishes();
    this.#background = background === false ? null : new BackgroundWork({ ...parts, fill: settings.fill, only, plan });
    const { scrubRate: rate } = options;
    const isBusy = (): boolean => parts.traffic.openReaders > 0 || manager.activeFetches > 0;
    this.#scrubber = rate === undefined ? null : new Scrubber({ ...parts, rate, isBusy });
    this.#prefetcher = new Prefetcher({
      repository,
      clock,
      events,
      logger,
      chunkSize: settings.chunkSize,
      openReader: (view, open) => EntryReader.open(view, open, this.#reading),
      askedFor: (id) => parts.room.askedFor(id),
      isStuck: (id) => parts.room.isFull(id) && !manager.fetchedEntries().includes(id),
      wake: () => this.#background?.wake(),
    });
  }

  /**
   * Opens the cache in its folder, creating both where they do not exist.
   * @throws SeekwellError CACHE_DIR_UNUSABLE, DATABASE_UNUSABLE, DATABASE_TOO_NEW, DATABASE_BUSY, BAD_OPTION
   */
  static async open(options: CacheOptions): Promise<FileCache> {
    const cache = new FileCache(await wireCache(options));
    cache.startBackground();
    return cache;
  }

  /** Tells what happens in this process, as hints. */
  get emitter(): CacheEvents {
    return this.#parts.events;
  }

  get traffic(): Traffic {
    return this.#parts.traffic;
  }

  get logger(): Logger {
    return this.#parts.logger;
  }

  get clock(): Clock {
    return this.#parts.clock;
  }

  get activeFetches(): number {
    return this.#parts.manager.activeFetches;
  }

  /** The most bytes that are kept; null: no limit. */
  get quota(): number | null {
    return this.#parts.settings.quota;
  }

  /** Registers a resource; no network. The entry of the same key is bound to the new URL and headers. */
  async add(options: AddOptions): Promise<Entry> {
    return (await this.register(options)).entry;
  }

  /** As `add`, and whether the entry is new. @throws SeekwellError BAD_URL */
  async register(options: AddOptions): Promise<{ readonly entry: Entry; readonly created: boolean }> {
    const { repository, clock, options: cacheOptions } = this.#parts;
    const path = newFilePath(this.#parts.randomness, `x${extensionOf(options.filename ?? filenameOf(options.url))}`);
    const { entry, created } = await repository.addEntry(newEntryOf(options, cacheOptions.keyOf ?? keyOfUrl, path), clock.now());
    if (!created) await this.#update(entry, options);
    this.emitter.emit('entryChanged', { entryId: entry.id });
    return { entry: this.#handle(entry), created };
  }

  /** The entry that `ref` names, or null. */
  async get(ref: Ref): Promise<Entry | null> {
    const entry = await this.find(ref);
    return entry === null ? null : this.#handle(entry);
  }

  /** The row that `ref` names, or null. */
  find(ref: Ref): Promise<EntryRow | null> {
    const { repository, options } = this.#parts;
    return findEntry(repository, ref, options.keyOf ?? keyOfUrl);
  }

  /** All entries that fit, with their states, in the order of `query.sort`. */
  async *list(query: Omit<EntryQuery, 'limit' | 'cursor'> = {}): AsyncIterable<EntryInfo> {
    let cursor: string | undefined;
    do {
      const page = await this.page({ ...query, limit: 100, ...(cursor === undefined ? {} : { cursor }) });
      yield* page.entries;
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
  }

  /** One page of `list`. @throws SeekwellError BAD_REQUEST */
  async page(query: EntryQuery): Promise<{ readonly entries: readonly EntryInfo[]; readonly nextCursor: string | null }> {
    const { repository, clock } = this.#parts;
    const page = await repository.entriesWithState(query, clock.now());
    return { entries: page.entries.map(toEntryInfo), nextCursor: page.nextCursor };
  }

  /** The derived state; NotStarted for a key that has no entry. */
  state(key: EntryKey): Promise<DownloadStateInfo> {
    return this.#parts.states.state(key);
  }

  statistics(): Promise<CacheStatistics> {
    return this.#parts.repository.statistics();
  }

  /** Gives rows of dead processes back to the queue, where the database can be written: they cost economy, and nothing that is asked for. */
  async sweep(): Promise<void> {
    const { repository, settings, clock, mayRun, logger } = this.#parts;
    await sweepDeadProcesses(repository, settings.fill, clock, mayRun).catch((error: Error) => {
      if (!isSeekwellError(error, ...STORAGE_CODES)) throw error;
      logger.warn({ code: error.code }, `what dead processes were fetching is not given back: ${error.message}`);
    });
  }

  /** Evicts to the quota now, finishes removals that a crash cut short, and removes files that no entry owns. */
  async gc(): Promise<CollectReport> {
    await this.sweep();
    return new GarbageCollector(this.#parts).collect();
  }

  /** Removes the entry and its bytes. @throws SeekwellError ENTRY_NOT_FOUND */
  async remove(ref: Ref): Promise<void> {
    const { manager, removal } = this.#parts;
    const entry = await this.find(ref);
    if (entry === null || !(await removal.deleteEntry(entry.id))) throw notFound();
    manager.stopEntry(entry.id, 'all');
    this.emitter.emit('entryRemoved', { entryId: entry.id });
  }

  /** The entry of `key` and what is cached around one byte, in one query; null where there is no entry. */
  viewOf(key: EntryKey, offset: number): Promise<ReadView | null> {
    return this.#parts.repository.readViewByKey(key, offset);
  }

  /** As `viewOf`, where that was asked before and nothing was committed until `token` had it from `changeToken`; null: ask. */
  recentView(key: EntryKey, offset: number, token: () => number): ReadView | null {
    return this.#parts.repository.recentView(key, offset, token);
  }

  /** Another number after each commit, of whatever process. */
  changeToken(): number {
    return this.#parts.repository.changeToken();
  }

  /** Has `send` take bytes of a complete entry at once: see `WholeFiles`. */
  sendNow(view: ReadView, range: ByteRange, send: FileSend): number | null {
    return this.#wholeFiles.sendNow(view, range, send);
  }

  /** Opens one reader; close it. @throws SeekwellError what keeps the resource from being read */
  openReader(view: ReadView, options: OpenOptions): Promise<EntryReader> {
    return EntryReader.open(view, options, this.#reading);
  }

  /** Players find this process at `address`; recorded for commands that print stream URLs. */
  announce(address: Address): Promise<void> {
    return this.#announce([...this.#addresses, address]);
  }

  /** It listens there no more. */
  withdraw(address: Address): Promise<void> {
    return this.#announce(this.#addresses.filter((other) => other !== address));
  }

  /** Where a process serves this cache now, or null. */
  servedAt(): Promise<string | null> {
    return servedAt(this.#parts.repository, this.#parts.mayRun);
  }

  /** Stops everything, recording what was fetched. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async infoOf(id: number): Promise<EntryInfo> {
    const { repository, clock } = this.#parts;
    const found = await repository.entryWithState(id, clock.now());
    if (found === null) throw notFound();
    return toEntryInfo(found);
  }

  async spansOf(id: number): Promise<ByteRange[]> {
    await this.#entry(id);
    return this.#parts.repository.spans(id);
  }

  async *readFrom(id: number, options: ReadOptions): AsyncIterable<Uint8Array> {
    yield* readRange(options, async (open, offset) => this.openReader(await this.#viewOf(id, offset), open));
  }

  async requestPrefetch(id: number, specs: readonly RangeSpec[] | null): Promise<void> {
    await this.#prefetcher.request(await this.#entry(id), specs);
  }

  async prefetchUntilDone(id: number, options: PrefetchOptions): Promise<void> {
    const { ranges, signal, onProgress } = options;
    const entry = await this.#prefetcher.learn(await this.#entry(id), signal);
    const specs = ranges?.map(({ start, end }): RangeSpec => ({ kind: 'from', start, end })) ?? null;
    await this.#prefetcher.request(entry, specs);
    await this.#prefetcher.untilDone(id, ranges ?? null, signal, async () => onProgress?.(await this.infoOf(id)));
  }

  async pause(id: number): Promise<void> {
    const { repository, manager, clock } = this.#parts;
    if (!(await repository.pause(id, clock.now()))) throw notFound();
    manager.stopEntry(id, 'unread');
    this.emitter.emit('entryChanged', { entryId: id });
  }

  resume(id: number): Promise<void> {
    return this.retry(id);
  }

  async retry(id: number): Promise<void> {
    const { repository, clock } = this.#parts;
    if (!(await repository.retry(id, clock.now()))) throw notFound();
    await this.requestPrefetch(id, null);
    this.emitter.emit('entryChanged', { entryId: id });
  }

  async setPinned(id: number, pinned: boolean): Promise<void> {
    if (!(await this.#parts.repository.setPinned(id, pinned))) throw notFound();
    this.emitter.emit('entryChanged', { entryId: id });
  }

  async rebind(id: number, origin: OriginOptions): Promise<void> {
    checkUrl(origin.url);
    checkNamed(origin);
    if (!(await this.#parts.repository.rebind(id, { url: origin.url, headers: origin.headers ?? {} }, this.clock.now()))) throw notFound();
    this.#background?.wake();
    this.emitter.emit('entryChanged', { entryId: id });
  }

  async verify(id: number, options: VerifyOptions = {}): Promise<VerifyReport> {
    const { signal } = options;
    const fetch = async ({ start, end }: ByteRange): Promise<void> => {
      for await (const _ of this.readFrom(id, { offset: start, length: end - start + 1, ...(signal === undefined ? {} : { signal }) }));
    };
    return verifyEntry(await this.#entry(id), options, { ...this.#parts, fetch });
  }

  urlOf(key: EntryKey, filename: string | null): string {
    const address = this.#addresses.at(-1);
    if (address === undefined) throw new SeekwellError('INTERNAL', 'the cache does not listen', { hint: 'Call listen() first.' });
    return streamUrl(address.baseUrl, key, filename, address.token);
  }

  async completeFileOf(id: number): Promise<string | null> {
    const entry = await this.#entry(id);
    return entry.isComplete ? join(this.#parts.folder, entry.filePath) : null;
  }

  /** Begins to work off the queue and to watch for what other processes add to it. */
  protected startBackground(): void {
    const { repository, store, removal, logger } = this.#parts;
    const background = this.#background;
    this.#scrubber?.start();
    if (background === null) return;
    store.prepare();
    const tidied = Promise.all([this.sweep(), removal.emptyTrash()]);
    tidied.catch((error: Error) => logger.warn({}, `what dead processes left could not be tidied up: ${error.message}`));
    background.wake();
    repository.watch(() => background.wakeSoon());
  }

  async #close(): Promise<void> {
    const { checker, manager, repository, store, origin } = this.#parts;
    await this.#background?.close();
    await this.#scrubber?.close();
    await manager.close();
    await checker.settle();
    // Whoever reads it asks the process whether it is there.
    if (this.#addresses.length > 0) await this.#announce([]).catch(() => {});
    await origin.close();
    await repository.close();
    await store.close();
  }

  async #announce(addresses: readonly Address[]): Promise<void> {
    this.#addresses = addresses;
    await this.#parts.repository.announce(addresses.at(-1)?.baseUrl ?? null, this.clock.now());
  }

  async #update(entry: EntryRow, options: AddOptions): Promise<void> {
    const { repository, clock } = this.#parts;
    // Nothing said of headers: those of the same URL stay. Another URL may lead to another host, which they are not for.
    const headers = options.headers ?? (options.url === entry.originalUrl ? entry.requestHeaders : {});
    const sameHeaders = JSON.stringify(headers) === JSON.stringify(entry.requestHeaders);
    if (entry.originalUrl !== options.url || !sameHeaders) {
      await repository.rebind(entry.id, { url: options.url, headers }, clock.now());
      this.#background?.wake();
    }
    if (options.pinned !== undefined && options.pinned !== entry.pinned) await repository.setPinned(entry.id, options.pinned);
  }

  async #viewOf(id: number, offset: number): Promise<ReadView> {
    const view = await this.#parts.repository.readView(id, offset);
    if (view === null) throw notFound();
    return view;
  }

  async #entry(id: number): Promise<EntryRow> {
    return (await this.#viewOf(id, 0)).entry;
  }

  #handle(entry: EntryRow): Entry {
    return new Entry(entry.id, entry, entry.filename, this);
  }
}

function notFound(): SeekwellError {
  return new SeekwellError('ENTRY_NOT_FOUND', 'there is no such entry');
}
