import type { RangeSpec } from '../core/http-range.ts';
import { PRIORITY } from '../core/priority.ts';
import { type EntryRow, TAKE_OVER_BYTES } from '../repository/cache-repository.ts';
import type { ChunkDownloader } from './chunk-downloader.ts';
import type { Heard } from './span-recorder.ts';

/** The fetches under way in this process. */
export class FetchTable {
  readonly #byEntry = new Map<number, Set<ChunkDownloader>>();
  readonly #byOrigin = new Map<string, Set<ChunkDownloader>>();
  /** How many bytes were asked for from the end. */
  readonly #suffixes = new WeakMap<ChunkDownloader, number>();

  /** @param spec what it asks its origin for */
  add(fetch: ChunkDownloader, spec: RangeSpec): void {
    if (spec.kind === 'suffix') this.#suffixes.set(fetch, spec.length);
    addTo(this.#byEntry, fetch.entry.id, fetch);
    addTo(this.#byOrigin, fetch.origin, fetch);
  }

  delete(fetch: ChunkDownloader): void {
    deleteFrom(this.#byEntry, fetch.entry.id, fetch);
    deleteFrom(this.#byOrigin, fetch.origin, fetch);
  }

  get size(): number {
    let count = 0;
    for (const fetches of this.#byEntry.values()) count += fetches.size;
    return count;
  }

  *all(): Iterable<ChunkDownloader> {
    for (const fetches of this.#byEntry.values()) yield* fetches;
  }

  of(entryId: number): Iterable<ChunkDownloader> {
    return this.#byEntry.get(entryId) ?? [];
  }

  countOf(entryId: number): number {
    return this.#byEntry.get(entryId)?.size ?? 0;
  }

  /** As `countOf`, without those that are about to end. */
  runningOf(entryId: number): number {
    return [...this.of(entryId)].filter(({ stopping }) => !stopping).length;
  }

  countAt(origin: string): number {
    return this.#byOrigin.get(origin)?.size ?? 0;
  }

  /** The entries that are fetched now. */
  entryIds(): number[] {
    return [...this.#byEntry.keys()];
  }

  /** Of the entry's fetches that no reader waits for the one that will need longest for its rest, where that is at least `leastMs`; null where there is none. */
  slowestUnread(entryId: number, leastMs: number): ChunkDownloader | null {
    let slowest: ChunkDownloader | null = null;
    for (const fetch of this.of(entryId)) {
      if (fetch.priority === PRIORITY.CRITICAL || fetch.stopping || fetch.wholeBody) continue;
      if (fetch.remainingMs() >= Math.max(leastMs, slowest?.remainingMs() ?? 0)) slowest = fetch;
    }
    return slowest;
  }

  /** Whether the origin sends the whole of this entry whatever it is asked: another request would bring the same bytes again. */
  hasWholeBody(entryId: number): boolean {
    for (const fetch of this.of(entryId)) if (fetch.wholeBody && !fetch.stopping) return true;
    return false;
  }

  /** Whether a reader waits for, or reads ahead with, a fetch from this origin. */
  hasReadersAt(origin: string): boolean {
    for (const fetch of this.#byOrigin.get(origin) ?? []) if (fetch.priority < PRIORITY.MEDIUM && !fetch.stopping) return true;
    return false;
  }

  /** Whether a reader waits for any of the fetches under way. */
  haveWaiting(): boolean {
    for (const { priority, stopping } of this.all()) if (priority === PRIORITY.CRITICAL && !stopping) return true;
    return false;
  }

  /** The fetches from this origin that no reader waits for. */
  unawaitedAt(origin: string): ChunkDownloader[] {
    return [...(this.#byOrigin.get(origin) ?? [])].filter(({ stopping, priority }) => !stopping && priority !== PRIORITY.CRITICAL);
  }

  /** Of the fetches from this origin that no reader waits for the one that matters least; null where readers wait for all. */
  leastUrgentAt(origin: string, entryId: number | null = null): ChunkDownloader | null {
    let least: ChunkDownloader | null = null;
    for (const fetch of this.unawaitedAt(origin))
      if ((entryId === null || fetch.entry.id === entryId) && (least === null || fetch.priority > least.priority)) least = fetch;
    return least;
  }

  /** Whether a fetch from this origin is about to end. */
  hasStoppingAt(origin: string): boolean {
    for (const { stopping } of this.#byOrigin.get(origin) ?? []) if (stopping) return true;
    return false;
  }

  /** Whether another fetch got bytes beside `fetch`, of the same resource or of any from its origin. */
  hasFlowingBeside(fetch: ChunkDownloader, which: 'of the resource' | 'from the origin'): boolean {
    const others = which === 'of the resource' ? this.of(fetch.entry.id) : (this.#byOrigin.get(fetch.origin) ?? []);
    for (const other of others) if (other !== fetch && !other.stopping && other.pace.cameBeside(fetch.pace)) return true;
    return false;
  }

  /** The fetch, about to end, whose claim ends before `offset`; null where there is none. */
  endingBefore(entryId: number, epoch: number, offset: number): ChunkDownloader | null {
    for (const fetch of this.of(entryId)) if (fetch.entry.epoch === epoch && fetch.limit === offset - 1) return fetch;
    return null;
  }

  /** The fetch that has just written `offset` or will within `TAKE_OVER_BYTES`; null where there is none. */
  bringing(entryId: number, epoch: number, offset: number): ChunkDownloader | null {
    for (const fetch of this.of(entryId)) {
      if (fetch.entry.epoch !== epoch) continue;
      if (fetch.hasWritten(offset)) return fetch;
      if (fetch.stopping || offset < fetch.start) continue;
      const near = offset <= fetch.limit && offset - fetch.position <= TAKE_OVER_BYTES;
      if (near || (fetch.wholeBody && offset >= fetch.position)) return fetch;
    }
    return null;
  }

  /** The fetch that brings the last `length` bytes, or more, of a resource that nothing was heard of yet; null where there is none. */
  suffixOf({ id, epoch }: EntryRow, length: number): ChunkDownloader | null {
    for (const fetch of this.of(id)) {
      if (fetch.entry.epoch === epoch && !fetch.stopping && fetch.heard === null && (this.#suffixes.get(fetch) ?? 0) >= length)
        return fetch;
    }
    return null;
  }

  /** What the origin told a fetch of the entry that is under way: known here before it is recorded. Null where none has heard. */
  heardOf(entryId: number, epoch: number): Heard | null {
    for (const fetch of this.of(entryId)) if (fetch.entry.epoch === epoch && fetch.heard !== null) return fetch.heard;
    return null;
  }

  /** Whether a fetch of this process holds a claim on `offset`, in whatever epoch. */
  covers(entryId: number, offset: number): boolean {
    for (const fetch of this.of(entryId)) if (fetch.start <= offset && offset <= fetch.limit) return true;
    return false;
  }

  /** A fetch that holds a claim on `offset`, or is about to give one back; null where there is none. */
  holding(entryId: number, epoch: number, offset: number): ChunkDownloader | null {
    for (const fetch of this.of(entryId)) {
      if (fetch.entry.epoch === epoch && fetch.start <= offset && offset <= fetch.limit) return fetch;
    }
    return null;
  }
}

function addTo<Key>(map: Map<Key, Set<ChunkDownloader>>, key: Key, fetch: ChunkDownloader): void {
  const set = map.get(key) ?? new Set();
  map.set(key, set.add(fetch));
}

function deleteFrom<Key>(map: Map<Key, Set<ChunkDownloader>>, key: Key, fetch: ChunkDownloader): void {
  const set = map.get(key);
  set?.delete(fetch);
  if (set?.size === 0) map.delete(key);
}
