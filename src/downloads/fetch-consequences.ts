import type { Clock } from '../clock.ts';
import { backoffMs } from '../core/backoff.ts';
import { PRIORITY } from '../core/priority.ts';
import { redactedUrl } from '../core/redacted-url.ts';
import { type Description, sameVersion } from '../core/validator.ts';
import { asSeekwellError, isSeekwellError, STORAGE_CODES } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Randomness } from '../randomness.ts';
import type { CacheRepository, EntryRow } from '../repository/cache-repository.ts';
import type { CacheEvents } from './cache-events.ts';
import type { ChunkDownloader } from './chunk-downloader.ts';
import type { EntryRemoval } from './entry-removal.ts';
import type { FetchEnd } from './fetch-end.ts';
import { knownVersion } from './known-version.ts';
import { StorageHealth } from './storage-health.ts';

/** More versions than this within the window: the origin changes faster than it can be cached. */
const MAX_CHANGES = 3;
const CHANGE_WINDOW_MS = 10 * 60_000;
const NO_PROGRESS = { retryAfterMs: null, progress: false };

/** Whether the fetch, or what is fetched in its place, would be asked for again at once though no reader waits for it. */
function isUnawaited({ purpose, priority }: ChunkDownloader): boolean {
  return purpose !== null || priority !== PRIORITY.CRITICAL;
}

export interface ConsequenceParts {
  readonly repository: CacheRepository;
  readonly removal: EntryRemoval;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
  readonly events: CacheEvents;
  /** Whether this process fills. */
  readonly fill: boolean;
}

/** Writes into the database what the end of a fetch means for its entry, before anybody hears of the end. */
export class FetchConsequences {
  readonly storage: StorageHealth;
  readonly #parts: ConsequenceParts;
  /** When the origin of an entry was seen to change, UTC milliseconds. A hint: forgetting it costs a few more versions. */
  readonly #changes = new Map<number, number[]>();

  constructor(parts: ConsequenceParts) {
    this.#parts = parts;
    this.storage = new StorageHealth(parts.clock, parts.logger);
  }

  /** Whether the entry's origin changes too fast for its bytes to be worth keeping. */
  isUnstable(entryId: number): boolean {
    const since = this.#parts.clock.now() - CHANGE_WINDOW_MS;
    const recent = (this.#changes.get(entryId) ?? []).filter((at) => at > since);
    if (recent.length === 0) this.#changes.delete(entryId);
    else this.#changes.set(entryId, recent);
    return recent.length > MAX_CHANGES;
  }

  /** Never rejects: when the database cannot be written, leases end by themselves. */
  async settle(fetch: ChunkDownloader, end: FetchEnd): Promise<void> {
    try {
      await this.#release(fetch, end);
      await this.#record(fetch, end);
    } catch (error) {
      if (isSeekwellError(error, ...STORAGE_CODES)) this.storage.failed(error);
      else
        this.#parts.logger.warn({ entryId: fetch.entry.id }, `the end of a fetch could not be recorded: ${asSeekwellError(error).message}`);
    }
    this.#parts.events.emit('entryChanged', { entryId: fetch.entry.id });
  }

  /** The file of `entry` is missing or too short for its spans: they are forgotten. */
  async lost(entry: EntryRow): Promise<void> {
    if (!(await this.#parts.removal.removeBytes(entry))) return;
    const fields = { entryId: entry.id, filePath: entry.filePath };
    this.#parts.logger.warn(fields, 'the cache file is missing or too short: its bytes are fetched anew');
  }

  /** The origin has another version than the one that is recorded of `entry`: its bytes are forgotten. */
  async changed(entry: EntryRow): Promise<void> {
    const { removal, clock, logger } = this.#parts;
    logger.info(
      { entryId: entry.id, url: redactedUrl(entry.originalUrl) },
      'the resource changed at the origin: its bytes are fetched anew',
    );
    this.#changes.set(entry.id, [...(this.#changes.get(entry.id) ?? []), clock.now()]);
    await removal.removeBytes(entry);
  }

  /** As `changed`, where `old` is still what is recorded: where nothing can be kept no fetch notices, and whoever comes next would ask for `old` again. */
  async superseded(entry: EntryRow, old: Description): Promise<void> {
    const known = knownVersion(entry);
    if (known !== null && sameVersion(known, old)) await this.changed(entry);
  }

  async #release(fetch: ChunkDownloader, end: FetchEnd): Promise<void> {
    if (fetch.limit < fetch.start) return;
    const { repository, fill, clock } = this.#parts;
    // Beyond the end there is nothing to fill.
    const fills = fill && end.kind !== 'unsatisfiable';
    const { id: entryId, epoch } = fetch.entry;
    await repository.release({ entryId, epoch, range: { start: fetch.start, end: fetch.limit }, fill: fills }, clock.now());
  }

  async #record(fetch: ChunkDownloader, end: FetchEnd): Promise<void> {
    const { repository, clock, logger } = this.#parts;
    const { id: entryId, epoch, originalUrl } = fetch.entry;
    const fields = { entryId, url: redactedUrl(originalUrl) };
    switch (end.kind) {
      case 'refused':
        logger.warn({ ...fields, code: end.error.code }, end.error.message);
        return repository.fail({ entryId, epoch, message: end.error.message, status: end.status }, clock.now());
      case 'transient':
        logger.info({ ...fields, code: end.error.code }, end.error.message);
        return this.#delay(fetch, end.error.message, end);
      case 'unsatisfiable':
        await this.#finish(fetch.entry, end.total);
        if (isUnawaited(fetch)) await this.#delay(fetch, 'the origin says that the range lies beyond the end', NO_PROGRESS);
        return;
      case 'done':
        if (fetch.isIdle && isUnawaited(fetch)) await this.#delay(fetch, 'another process receives the whole resource', NO_PROGRESS);
        return;
      case 'uncacheable':
        if (isUnawaited(fetch)) await this.#delay(fetch, end.error.message, NO_PROGRESS);
        return;
      case 'broken':
        // The disk or the database: `storage` has said so.
        if (end.error.code === 'INTERNAL') logger.warn({ ...fields, code: end.error.code }, end.error.message);
        return;
      case 'changed':
        return this.changed(fetch.entry);
      case 'lost':
        return this.lost(fetch.entry);
      default:
        return;
    }
  }

  /** A resource without a length whose end was not recorded, as when its process was killed: the origin has just told where it is. */
  async #finish(entry: EntryRow, total: number | null): Promise<void> {
    const { repository, clock } = this.#parts;
    const description = knownVersion(entry);
    if (description === null || description.total !== null || total === null) return;
    await repository.finish({ entryId: entry.id, epoch: entry.epoch, total, description, headers: {} }, clock.now());
  }

  async #delay(
    fetch: ChunkDownloader,
    message: string,
    end: { readonly retryAfterMs: number | null; readonly progress: boolean },
  ): Promise<void> {
    const { repository, clock, randomness } = this.#parts;
    const { id: entryId, epoch, attempts } = fetch.entry;
    const failed = end.progress ? 1 : attempts + 1;
    const retryAt = clock.now() + backoffMs(failed, randomness.fraction(), end.retryAfterMs);
    await repository.delay({ entryId, epoch, message, retryAt }, clock.now());
  }
}
