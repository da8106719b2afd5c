import { rmSync, statSync, writeFileSync } from 'node:fs';

/** More than the log grows by when an entry of 10,000 spans is removed, in bytes. */
const RESERVE_BYTES = 1024 * 1024;

/** Room on the disk that is given back when a removal finds none: else a full disk could not be relieved of what the cache holds. */
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
    const held = statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
    rmSync(this.#path, { force: true });
    this.#given = true;
    return held > 0;
  }

  /** A change succeeded: where the room was given back it is taken again. */
  restore(): void {
    if (this.#given) this.#take();
  }

  #take(): void {
    this.#given = statSync(this.#path, { throwIfNoEntry: false })?.size !== RESERVE_BYTES;
    if (!this.#given) return;
    try {
      writeFileSync(this.#path, Buffer.alloc(RESERVE_BYTES), { mode: 0o600 });
      this.#given = false;
    } catch {
      // A full disk keeps what room it has for the database.
      rmSync(this.#path, { force: true });
    }
  }
}
