import type { NewEntry } from '../cache-repository.ts';
import type { Prepared } from './prepared.ts';
import { type RawEntry, toEntry } from './rows.ts';
import type { READS, WRITES } from './statements.ts';

/** Entries and their removal. Each method is one step of a transaction that the caller opened. */
export class Entries {
  readonly #read: Prepared<typeof READS>;
  readonly #write: Prepared<typeof WRITES>;
  readonly #owner: string;

  constructor(read: Prepared<typeof READS>, write: Prepared<typeof WRITES>, owner: string) {
    this.#read = read;
    this.#write = write;
    this.#owner = owner;
  }

  add(entry: NewEntry, now: number): { entry: ReturnType<typeof toEntry>; created: boolean } {
    const key = { source: entry.sourceId, media: entry.mediaId, quality: entry.quality };
    // Looked for first: an insertion that comes to nothing would use up an id.
    const known = this.#read.entryByKey.get(key) as RawEntry | undefined;
    if (known !== undefined) return { entry: toEntry(known), created: false };
    this.#write.insertEntry.run({
      ...key,
      url: entry.originalUrl,
      headers: JSON.stringify(entry.requestHeaders),
      filename: entry.filename,
      path: entry.filePath,
      fill: entry.fillAllowed ? 1 : 0,
      pinned: entry.pinned ? 1 : 0,
      now,
    });
    return { entry: toEntry(this.#read.entryByKey.get(key) as RawEntry), created: true };
  }

  rebind(id: number, location: { readonly url: string; readonly headers: Readonly<Record<string, string>> }, now: number): boolean {
    return this.#write.rebind.run({ id, url: location.url, headers: JSON.stringify(location.headers), now }).changes > 0;
  }

  touch(id: number, now: number): void {
    this.#write.touch.run({ id, now });
  }

  setPinned(id: number, pinned: boolean): boolean {
    return this.#write.setPinned.run({ id, pinned: pinned ? 1 : 0 }).changes > 0;
  }

  removeBytes(request: { entryId: number; epoch: number; newFilePath: string }, now: number): boolean {
    const { entryId: id, epoch, newFilePath: path } = request;
    const entry = this.#read.entryById.get({ id }) as RawEntry | undefined;
    if (entry === undefined || entry.epoch !== epoch) return false;
    this.#write.rememberTrash.run({ id, now });
    this.#forgetBytes(id);
    return this.#write.newVersion.run({ id, epoch, path, now }).changes > 0;
  }

  delete(id: number, now: number): boolean {
    this.#write.rememberTrash.run({ id, now });
    this.#forgetBytes(id);
    return this.#write.deleteEntry.run({ id }).changes > 0;
  }

  forgetTrash(id: number): void {
    this.#write.forgetTrash.run({ id });
  }

  announce(baseUrl: string | null, now: number): void {
    if (baseUrl === null) this.#write.retract.run({ owner: this.#owner });
    else this.#write.announce.run({ owner: this.#owner, url: baseUrl, now });
  }

  forgetServers(processes: readonly string[]): void {
    for (const owner of processes) this.#write.retract.run({ owner });
  }

  #forgetBytes(id: number): void {
    this.#write.deleteRows.run({ id });
    this.#write.deleteChecksums.run({ id });
    this.#write.deleteHeaders.run({ id });
    this.#write.deleteSpans.run({ id });
  }
}
