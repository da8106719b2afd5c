import { BoundedMap } from '../core/bounded-map.ts';
import type { CacheRepository, EntryRow } from '../repository/cache-repository.ts';

/** Hints beyond this many are forgotten, all at once. */
const MAX_HINTS = 1_000;

/**
 * The origin's headers to pass on, by version. They are recorded with what first describes it, and where that gave a validator never change after: what
 * was read once holds.
 */
export class KnownHeaders {
  readonly #repository: CacheRepository;
  readonly #byVersion = new BoundedMap<string, Readonly<Record<string, string>>>(MAX_HINTS);

  constructor(repository: CacheRepository) {
    this.#repository = repository;
  }

  /** Those of the entry's version, which must be known. */
  async of({ id, epoch, etag, originLastModified }: EntryRow): Promise<Readonly<Record<string, string>>> {
    if (etag === null && originLastModified === null) return this.#repository.headersOf(id);
    const version = `${id}:${epoch}`;
    const known = this.#byVersion.get(version);
    if (known !== undefined) return known;
    const headers = await this.#repository.headersOf(id);
    this.#byVersion.set(version, headers);
    return headers;
  }
}
