import { appendFileSync, rmSync, statSync, truncateSync } from 'node:fs';

/** More than the log grows by when an entry of 10,000 spans is removed, in bytes. */
const RESERVE_BYTES = 1024 * 1024;
/** What a new entry is lent at once: its row, the indexes' pages and the log's share of them, in bytes. */
const LENT_BYTES = 64 * 1024;
/** What new entries leave to removals, in bytes. */
const LEAST_BYTES = RESERVE_BYTES / 2;

/**
 * Room on the disk that is given back when a removal finds none: else a full disk could not be relieved of what the cache holds. A little of it goes to new
 * entries, so that a film can be registered, and passed through, on a full disk too.
 */
export class DiskReserve {
  readonly #path: string;
  #given = false;

  /** @param database whose folder is on the disk */
  constructor(database: string) {
    this.#path = `${database}-reserve`;
    this.#take();
  }

  /** Gives the room back. False: there was none. */
  give(): boolean {
    const held = this.#held();
    rmSync(this.#path, { force: true });
    this.#given = true;
    return held > 0;
  }

  /** Gives a little of the room back. False: what is left is for removals. */
  lend(): boolean {
    const left = this.#held() - LENT_BYTES;
    if (left < LEAST_BYTES) return false;
    truncateSync(this.#path, left);
    this.#given = true;
    return true;
  }

  /** A change succeeded: where the room was given back it is taken again. */
  restore(): void {
    if (this.#given) this.#take();
  }

  #held(): number {
    return statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
  }

  #take(): void {
    const held = this.#held();
    this.#given = held < RESERVE_BYTES;
    if (!this.#given) return;
    try {
      appendFileSync(this.#path, Buffer.alloc(RESERVE_BYTES - held), { mode: 0o600 });
      this.#given = false;
    } catch {
      // A full disk keeps what room it has for the database.
      if (held === 0) rmSync(this.#path, { force: true });
      else truncateSync(this.#path, held);
    }
  }
}
