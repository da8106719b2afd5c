import { BoundedMap } from '../core/bounded-map.ts';
import type { ByteRange } from '../core/byte-ranges.ts';
import type { FileCache } from '../file-cache.ts';
import type { EntryKey, ReadView } from '../repository/cache-repository.ts';
import type { PlainRequest } from './plain-request.ts';
import type { SocketOutlet } from './socket-outlet.ts';
import { knownFields } from './stream-head.ts';
import { keyOfPath } from './stream-path.ts';

/** A range with both ends; numbers of more digits may not be exact. */
const RANGE = /^bytes=(\d{1,15})-(\d{1,15})$/;
/** Longer ranges take the ordinary way, in bytes: a socket takes no more at once, and others wait meanwhile. */
const MAX_BYTES = 4 * 1024 * 1024;
/** Conditions are for the ordinary way. */
const CONDITIONS = ['if-range', 'if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since'] as const;
/** Paths beyond this many are forgotten, all at once. */
const MAX_PATHS = 1_000;

/** What is left of an answer that has begun. */
export interface Rest {
  readonly view: ReadView;
  /** Null: nothing, the answer is whole. */
  readonly range: ByteRange | null;
}

/** Answers short ranges of complete entries that were asked for before and are unchanged, at once: by the database's word, and from memory. */
export class QuickAnswers {
  readonly #cache: FileCache;
  /** What paths name: the same, always. */
  readonly #keys = new BoundedMap<string, EntryKey>(MAX_PATHS);

  /** Of this turn of the event loop; null: not asked yet. */
  #token: number | null = null;

  constructor(cache: FileCache) {
    this.#cache = cache;
  }

  /** Begins the answer, and sends what the client takes at once. Null: nothing was sent, the request takes the ordinary way. */
  begin({ path, headers }: PlainRequest, outlet: SocketOutlet): Rest | null {
    if (!outlet.takesFiles) return null;
    const match = RANGE.exec(headers.range ?? '');
    if (match === null || CONDITIONS.some((name) => headers[name] !== undefined)) return null;
    const start = Number(match[1]);
    if (Number(match[2]) - start >= MAX_BYTES) return null;
    const key = this.#keyOf(path);
    const view = key === null ? null : this.#recentView(key, start);
    const total = view?.entry.expectedTotalSize ?? 0;
    if (view === null || total === null || start >= total) return null;
    const range = { start, end: Math.min(Number(match[2]), total - 1) };
    const fields = knownFields(view.entry);
    if (fields === null || range.end < start) return null;
    outlet.beginPart(fields, range, total);
    const sent = this.#cache.sendNow(view, range, outlet.sendLast);
    if (sent === null) return null;
    const rest = { start: start + sent, end: range.end };
    return { view, range: rest.start > rest.end ? null : rest };
  }

  /** Where the database cannot be asked, the ordinary way says so: nobody above would hear of what is thrown here. */
  #recentView(key: EntryKey, offset: number): ReadView | null {
    try {
      return this.#cache.recentView(key, offset, this.#askToken);
    } catch {
      return null;
    }
  }

  /** Asked once for all requests that had come when this turn of the event loop began: none of them came after it was asked. */
  readonly #askToken = (): number => {
    if (this.#token === null) {
      this.#token = this.#cache.changeToken();
      this.#cache.clock.soon(() => {
        this.#token = null;
      });
    }
    return this.#token;
  };

  #keyOf(path: string): EntryKey | null {
    const known = this.#keys.get(path);
    if (known !== undefined) return known;
    const key = keyOfPath(path);
    if (key !== null) this.#keys.set(path, key);
    return key;
  }
}
