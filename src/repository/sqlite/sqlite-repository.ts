import { MAX_BACKOFF_MS } from '../../core/backoff.ts';
import { type ByteRange, missing } from '../../core/byte-ranges.ts';
import { PRIORITY } from '../../core/priority.ts';
import { SeekwellError } from '../../errors.ts';
import type {
  BlockRef,
  BlockRow,
  CacheRepository,
  CacheStatistics,
  CacheUsage,
  EntryKey,
  EntryPage,
  EntryQuery,
  EntryRow,
  EntryStateRow,
  EntryWithState,
  PendingRow,
  ReaderLease,
  ReadView,
  ServerRecord,
  TrashedFile,
} from '../cache-repository.ts';
import { LEASE_REACH_MS } from '../cache-repository.ts';
import { type RawBlock, toBlock } from './blocks.ts';
import { watchDatabase } from './change-watch.ts';
import { CommitThread } from './commit-thread.ts';
import { databaseIdentity, refuseOtherDatabase } from './database-identity.ts';
import { ENTRY_WITH_STATE, EntryList, toEntryWithState } from './entry-list.ts';
import { loadDriver } from './load-driver.ts';
import { openConnection, prepareDatabase } from './open-database.ts';
import { type Prepared, prepared } from './prepared.ts';
import { RecentViews } from './recent-views.ts';
import { type RawEntry, type RawState, toEntry, toState } from './rows.ts';
import type { SqliteConnection, SqliteParams, SqliteStatement } from './sqlite-driver.ts';
import { databaseError } from './sqlite-errors.ts';
import { READS } from './statements.ts';
import type { WriteArguments, WriteName, WriteResult } from './write-table.ts';

/** Carries out changes, in order. */
export interface Committer {
  call<Name extends WriteName>(name: Name, ...args: WriteArguments<Name>): Promise<WriteResult<Name>>;
  close(): Promise<void>;
}

export interface SqliteRepositoryOptions {
  /** Path of the database file; its folder exists. */
  readonly path: string;
  /** Names this process in leases. */
  readonly owner: string;
  /** A module that default-exports a `SqliteDriver`; unset: the one for this version of Node. */
  readonly driver?: string;
}

interface RawRange {
  start_byte: number;
  end_byte: number;
}

type RawReadView = RawEntry & { span_start: number | null; span_end: number | null; next_start: number | null };

const READ_ONLY = { ...READS, entryWithState: ENTRY_WITH_STATE } as const;

/** All the spans that fit in an answer. */
const ALL_SPANS = 2 ** 31;

/** How many entries with rows `pendingWork` looks at, each from the queue and from those read last. */
const SCANNED_ENTRIES = 512;

function keyParams(key: EntryKey): SqliteParams {
  return { source: key.sourceId, media: key.mediaId, quality: key.quality };
}

function toRange(raw: RawRange): ByteRange {
  return { start: raw.start_byte, end: raw.end_byte };
}

/** The repository on SQLite: reads in this thread, changes through `Committer`. */
export class SqliteRepository implements CacheRepository {
  readonly #connection: SqliteConnection;
  readonly #read: Prepared<typeof READ_ONLY>;
  readonly #list: EntryList;
  readonly #committer: Committer;
  readonly #watches = new Set<() => void>();
  readonly #recent = new RecentViews();
  readonly #refuseOther: () => void;
  #closed = false;

  /** @param refuseOther throws where the database that is open is not the one in the folder any more; asked where that costs nothing that matters */
  constructor(connection: SqliteConnection, committer: Committer, refuseOther: () => void = () => {}) {
    this.#refuseOther = refuseOther;
    this.#connection = connection;
    this.#read = prepared(connection, READ_ONLY);
    this.#list = new EntryList(connection);
    this.#committer = committer;
  }

  /**
   * Opens the database, creating it or bringing its schema up to date.
   * @throws SeekwellError DATABASE_UNUSABLE, DATABASE_TOO_NEW, DATABASE_BUSY, CACHE_DIR_UNUSABLE
   */
  static async open(options: SqliteRepositoryOptions): Promise<SqliteRepository> {
    const driver = await loadDriver(options.driver ?? null);
    await prepareDatabase(driver, options.path);
    const { path, owner } = options;
    const identity = databaseIdentity(path);
    const committer = new CommitThread({ path, owner, driver: options.driver ?? null, identity });
    try {
      return new SqliteRepository(openConnection(driver, path, 'read'), committer, () => refuseOtherDatabase(path, identity));
    } catch (error) {
      throw databaseError(error);
    }
  }

  async state(key: EntryKey): Promise<EntryStateRow | null> {
    const raw = this.#get<RawState>('stateByKey', keyParams(key));
    return raw === undefined ? null : toState(raw);
  }

  async entryWithState(id: number, now: number): Promise<EntryWithState | null> {
    this.#refuseOther();
    const raw = this.#get<Parameters<typeof toEntryWithState>[0]>('entryWithState', { id, live_from: now, live_to: now + LEASE_REACH_MS });
    return raw === undefined ? null : toEntryWithState(raw);
  }

  async entriesWithState(query: EntryQuery, now: number): Promise<EntryPage> {
    this.#refuseWhenClosed();
    this.#refuseOther();
    try {
      return this.#list.page(query, now);
    } catch (error) {
      throw databaseError(error);
    }
  }

  async getDownloadedBytes(id: number): Promise<number> {
    return this.#number('downloadedBytes', { id });
  }

  async getChunkCount(id: number): Promise<number> {
    return this.#number('chunkCount', { id });
  }

  async leaseHolders(): Promise<string[]> {
    return this.#all<{ leased_by: string }>('leaseHolders').map((row) => row.leased_by);
  }

  async hasIdleRows(id: number): Promise<boolean> {
    return this.#number('hasIdleRows', { id }) === 1;
  }

  async hasPendingDownloads(id: number): Promise<boolean> {
    return this.#number('hasPending', { id }) === 1;
  }

  async hasByteRange(id: number, range: ByteRange): Promise<boolean> {
    const span = this.#get<RawRange>('spanAt', { id, offset: range.start });
    return span !== undefined && span.end_byte >= range.end;
  }

  async missingRanges(id: number, range: ByteRange): Promise<ByteRange[]> {
    const covering = this.#get<RawRange>('spanAt', { id, offset: range.start });
    const within = this.#all<RawRange>('spansWithin', { id, start: range.start + 1, end: range.end });
    return missing([...(covering === undefined ? [] : [covering]), ...within].map(toRange), range);
  }

  async spans(id: number, from = 0, limit = ALL_SPANS): Promise<ByteRange[]> {
    const covering = this.#get<RawRange>('spanAt', { id, offset: from });
    const first = covering !== undefined && covering.end_byte >= from ? covering.start_byte : from;
    return this.#all<RawRange>('spansFrom', { id, from: first, limit }).map(toRange);
  }

  async findEntry(key: EntryKey): Promise<EntryRow | null> {
    return this.#entry('entryByKey', keyParams(key));
  }

  async getEntry(id: number): Promise<EntryRow | null> {
    return this.#entry('entryById', { id });
  }

  async findEntryByUrl(url: string): Promise<EntryRow | null> {
    return this.#entry('entryByUrl', { url });
  }

  async readView(id: number, offset: number): Promise<ReadView | null> {
    return this.#readView('readViewById', { id, offset });
  }

  async readViewByKey(key: EntryKey, offset: number): Promise<ReadView | null> {
    const version = this.changeToken();
    const recent = this.#recent.get(key, offset, () => version);
    if (recent !== null) return recent;
    const view = this.#readView('readViewByKey', { ...keyParams(key), offset });
    // Of what is not cached nothing is given again.
    if (view !== null && view.span !== null) this.#recent.put(key, view, version);
    return view;
  }

  recentView(key: EntryKey, offset: number, token: () => number): ReadView | null {
    return this.#recent.get(key, offset, token);
  }

  async headersOf(id: number): Promise<Record<string, string>> {
    const headers = this.#get<{ headers: string }>('headers', { id })?.headers ?? '{}';
    return headers === '{}' ? {} : (JSON.parse(headers) as Record<string, string>);
  }

  async pendingWork(limit: number, now: number): Promise<PendingRow[]> {
    type Raw = RawEntry & { row_start: number; row_end: number; row_priority: PendingRow['priority'] };
    return this.#all<Raw>('pendingWork', { limit, now, latest: now + MAX_BACKOFF_MS, scan: SCANNED_ENTRIES }).map((raw) => ({
      entry: toEntry(raw),
      start: raw.row_start,
      end: raw.row_end,
      priority: raw.row_priority,
    }));
  }

  async readerLeases(now: number): Promise<ReaderLease[]> {
    type Raw = { entry_id: number; start_byte: number; original_url: string };
    const rows = this.#all<Raw>('readerLeases', { live_from: now, live_to: now + LEASE_REACH_MS, least: PRIORITY.HIGH });
    return rows.map(({ entry_id: entryId, start_byte: start, original_url: url }) => ({ entryId, start, url }));
  }

  async nextWorkAt(now: number): Promise<number | null> {
    const retry = this.#get<{ n: number | null }>('nextRetryAt', { now, latest: now + MAX_BACKOFF_MS })?.n ?? null;
    const lease = this.#get<{ n: number | null }>('nextLeaseEnd', { now })?.n ?? null;
    const free = lease === null ? null : Math.min(lease, now + LEASE_REACH_MS) + 1;
    return retry === null || free === null ? (retry ?? free) : Math.min(retry, free);
  }

  async blocks(request: { entryId: number; epoch: number; first: number; last: number }): Promise<BlockRow[] | null> {
    const { entryId: id, epoch, first, last } = request;
    const rows = this.#all<RawBlock>('blocks', { id, epoch, first, last });
    return rows.length === 0 ? null : rows.map(toBlock);
  }

  async oldestChecks(before: number, limit: number): Promise<BlockRef[]> {
    const rows = this.#all<{ cache_entry_id: number; block: number }>('oldestChecks', { before, limit });
    return rows.map(({ cache_entry_id: entryId, block }) => ({ entryId, block }));
  }

  async trash(): Promise<TrashedFile[]> {
    return this.#all<{ id: number; file_path: string }>('trash').map(({ id, file_path: filePath }) => ({ id, filePath }));
  }

  async ownsFile(filePath: string): Promise<boolean> {
    return this.#number('ownsFile', { path: filePath }) === 1;
  }

  async statistics(): Promise<CacheStatistics> {
    this.#refuseOther();
    return { entries: this.#number('entryCount', {}), ...(await this.usage()) };
  }

  async usage(): Promise<CacheUsage> {
    const raw = this.#get<{ recorded: number; leased: number; trash: number }>('usage');
    return { recordedBytes: raw?.recorded ?? 0, leasedBytes: raw?.leased ?? 0, trashBytes: raw?.trash ?? 0 };
  }

  changeToken(): number {
    return this.#get<{ data_version: number }>('changeToken')?.data_version ?? 0;
  }

  async servers(): Promise<ServerRecord[]> {
    const rows = this.#all<{ base_url: string; process: string; started_at: number }>('servers');
    return rows.map((row) => ({ baseUrl: row.base_url, process: row.process, startedAt: row.started_at }));
  }

  readonly addEntry = this.#change('addEntry');
  readonly rebind = this.#change('rebind');
  readonly touch = this.#change('touch');
  readonly setPinned = this.#change('setPinned');
  readonly ensure = this.#change('ensure');
  readonly describe = this.#change('describe');
  readonly commit = this.#change('commit');
  readonly finish = this.#change('finish');
  readonly renew = this.#change('renew');
  readonly release = this.#change('release');
  readonly sweep = this.#change('sweep');
  readonly fill = this.#change('fill');
  readonly prefetch = this.#change('prefetch');
  readonly pause = this.#change('pause');
  readonly retry = this.#change('retry');
  readonly fail = this.#change('fail');
  readonly delay = this.#change('delay');
  readonly recordChecksums = this.#change('recordChecksums');
  readonly markChecked = this.#change('markChecked');
  readonly cut = this.#change('cut');
  readonly removeBytes = this.#change('removeBytes');
  readonly evict = this.#change('evict');
  readonly deleteEntry = this.#change('deleteEntry');
  readonly forgetTrash = this.#change('forgetTrash');
  readonly announce = this.#change('announce');
  readonly forgetServers = this.#change('forgetServers');

  watch(changed: () => void): () => void {
    const main = this.#connection.prepare('PRAGMA database_list').get() as { file: string };
    const end = watchDatabase(main.file, changed);
    this.#watches.add(end);
    return end;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const end of this.#watches) end();
    await this.#committer.close();
    this.#connection.close();
  }

  #change<Name extends WriteName>(name: Name): (...args: WriteArguments<Name>) => Promise<WriteResult<Name>> {
    return (...args) => this.#committer.call(name, ...args);
  }

  #entry(name: 'entryByKey' | 'entryById' | 'entryByUrl', params: SqliteParams): EntryRow | null {
    const raw = this.#get<RawEntry>(name, params);
    return raw === undefined ? null : toEntry(raw);
  }

  #readView(name: 'readViewById' | 'readViewByKey', params: SqliteParams & { offset: number }): ReadView | null {
    const raw = this.#get<RawReadView>(name, params);
    if (raw === undefined) return null;
    const covers = raw.span_start !== null && raw.span_end !== null && raw.span_end >= params.offset;
    return {
      entry: toEntry(raw),
      span: covers ? { start: raw.span_start as number, end: raw.span_end as number } : null,
      nextSpanStart: raw.next_start,
    };
  }

  #number(name: keyof typeof READ_ONLY, params: SqliteParams): number {
    return this.#get<{ n: number }>(name, params)?.n ?? 0;
  }

  #get<Row>(name: keyof typeof READ_ONLY, params?: SqliteParams): Row | undefined {
    return this.#ask((statement) => statement.get(params) as Row | undefined, name);
  }

  #all<Row>(name: keyof typeof READ_ONLY, params?: SqliteParams): Row[] {
    return this.#ask((statement) => statement.all(params) as Row[], name);
  }

  #ask<Answer>(question: (statement: SqliteStatement) => Answer, name: keyof typeof READ_ONLY): Answer {
    this.#refuseWhenClosed();
    try {
      return question(this.#read[name]);
    } catch (error) {
      throw databaseError(error);
    }
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw new SeekwellError('CLOSED', 'the cache is closed');
  }
}
