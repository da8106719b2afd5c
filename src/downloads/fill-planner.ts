import type { Clock } from '../clock.ts';
import { BoundedMap } from '../core/bounded-map.ts';
import type { CacheRepository, EntryRow } from '../repository/cache-repository.ts';
import type { DownloadSettings } from './download-settings.ts';

/** Hints beyond this many are forgotten, all at once. */
const MAX_HINTS = 10_000;

export interface FillPlannerParts {
  readonly repository: CacheRepository;
  readonly clock: Clock;
  readonly settings: DownloadSettings;
  /** Rows were added to the queue. */
  planned(): void;
}

/** Names a version of an entry's bytes. */
function versionOf(entry: EntryRow): string {
  return `${entry.id}:${entry.epoch}`;
}

/** Plans LOW rows over the rest of what readers opened, once for each version. Keeps only hints: what is forgotten the next reader plans. */
export class FillPlanner {
  readonly #parts: FillPlannerParts;
  /** What was planned: saves a write for each request. */
  readonly #planned = new BoundedMap<string, true>(MAX_HINTS);
  /** What readers opened before anything was recorded of it. */
  readonly #opened = new BoundedMap<string, true>(MAX_HINTS);

  constructor(parts: FillPlannerParts) {
    this.#parts = parts;
  }

  /** A reader got its first byte. `known`: the database knows the total. */
  readerBegan(entry: EntryRow, known: boolean): void {
    if (known) {
      this.#planSoon(entry);
      return;
    }
    this.#opened.set(versionOf(entry), true);
  }

  /** Bytes of the entry were recorded. `isRead`: a reader is there. */
  recorded(entry: EntryRow, isRead: boolean): void {
    if (isRead || this.#opened.delete(versionOf(entry))) this.#planSoon(entry);
  }

  #planSoon(entry: EntryRow): void {
    // What could not be planned now is planned for the next reader.
    this.#plan(entry).catch(() => this.#planned.delete(versionOf(entry)));
  }

  async #plan(entry: EntryRow): Promise<void> {
    const { repository, clock, settings } = this.#parts;
    const version = versionOf(entry);
    if (!settings.fill || !entry.fillAllowed || entry.isComplete || this.#planned.has(version)) return;
    this.#planned.set(version, true);
    const added = await repository.fill({ entryId: entry.id, epoch: entry.epoch, chunkSize: settings.chunkSize }, clock.now());
    if (added > 0) this.#parts.planned();
  }
}
