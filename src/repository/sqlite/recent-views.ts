import { BoundedMap } from '../../core/bounded-map.ts';
import type { EntryKey, ReadView } from '../cache-repository.ts';

/** Views of more entries than this are forgotten, all at once. */
const MAX_VIEWS = 256;

/**
 * What the last looks at entries found. SQLite's data version tells whether anything was committed since, by whatever process: an answer that is given
 * twice is the same answer. Asking for it costs 3 µs, the whole look 15.
 */
export class RecentViews {
  readonly #views = new BoundedMap<string, ReadView>(MAX_VIEWS);
  #version = Number.NaN;

  /** The view of the entry around `offset`, where it was found at `version`, which is asked for only where there is one; else null. */
  get(key: EntryKey, offset: number, version: () => number): ReadView | null {
    const view = this.#views.get(nameOf(key));
    if (view === undefined || view.span === null || offset < view.span.start || offset > view.span.end || !isOf(view, key)) return null;
    return version() === this.#version ? view : null;
  }

  /** @param version as it was before `view` was read */
  put(key: EntryKey, view: ReadView, version: number): void {
    if (version !== this.#version) this.#views.clear();
    this.#version = version;
    this.#views.set(nameOf(key), view);
  }
}

/** Two keys with line ends in them may have one name. */
function isOf({ entry }: ReadView, { sourceId, mediaId, quality }: EntryKey): boolean {
  return entry.sourceId === sourceId && entry.mediaId === mediaId && entry.quality === quality;
}

function nameOf({ sourceId, mediaId, quality }: EntryKey): string {
  return `${sourceId}\n${mediaId}\n${quality}`;
}
