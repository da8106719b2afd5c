/** One bit stands for this many bytes. */
const PAGE_BYTES = 64 * 1024;
/**
 * A read of at most some hundred KiB from memory takes less than this, in milliseconds. One that takes longer waited for a disk, if this process read from one
 * meanwhile; else this thread had to wait for its turn.
 */
const FROM_MEMORY_MS = 3;
/** No thread waits as long as this for its turn, in milliseconds: the file is on a network, whose reads the system may not count. */
const FROM_AFAR_MS = 50;
/** So many slow reads among so many mean that the system dropped the file. */
const SLOW_READS = 3;
const AMONG_READS = 64;
/** Pages beyond the first 2^26 (4 TiB) are not noted: the map never takes more than 8 MiB. */
const MAX_PAGES = 2 ** 26;

/**
 * Which parts of a file the system most likely holds in memory: what was read or written since the file was opened. A hint; that the system
 * dropped the file meanwhile shows by the time that reads take, and then everything is forgotten.
 */
export class ResidentPages {
  #words = new Uint32Array(16);
  readonly #diskReads: () => number;
  #reads = 0;
  #slow = 0;
  /** At the last look. */
  #readBefore: number;

  /** @param diskReads how much this process has read from disks so far, in whatever unit */
  constructor(diskReads: () => number = () => process.resourceUsage().fsRead) {
    this.#diskReads = diskReads;
    this.#readBefore = diskReads();
  }

  /** The bytes from `position` on were just read or written. */
  mark(position: number, bytes: number): void {
    const first = Math.floor(position / PAGE_BYTES);
    const last = Math.min(MAX_PAGES - 1, Math.floor((position + bytes - 1) / PAGE_BYTES));
    if (bytes === 0 || first > last) return;
    this.#growTo(last >>> 5);
    for (let page = first; page <= last; page++) this.#words[page >>> 5] = this.#word(page) | (1 << (page & 31));
  }

  /** How many of the `bytes` from `position` on are most likely in memory. */
  count(position: number, bytes: number): number {
    const end = position + bytes;
    let at = position;
    while (at < end) {
      const page = Math.floor(at / PAGE_BYTES);
      if ((this.#word(page) & (1 << (page & 31))) === 0) break;
      at = (page + 1) * PAGE_BYTES;
    }
    return Math.min(at, end) - position;
  }

  /** A read of what was taken to be in memory took `ms` milliseconds. */
  took(ms: number): void {
    this.#reads++;
    if (ms > FROM_MEMORY_MS && (this.#hasReadFromDisk() || ms > FROM_AFAR_MS)) this.#slow++;
    if (this.#slow >= SLOW_READS) this.#words = new Uint32Array(16);
    if (this.#slow < SLOW_READS && this.#reads < AMONG_READS) return;
    this.#reads = 0;
    this.#slow = 0;
    this.#hasReadFromDisk();
  }

  /** Since the last look. */
  #hasReadFromDisk(): boolean {
    const before = this.#readBefore;
    this.#readBefore = this.#diskReads();
    return this.#readBefore !== before;
  }

  #word(page: number): number {
    return this.#words[page >>> 5] ?? 0;
  }

  #growTo(word: number): void {
    if (word < this.#words.length) return;
    const words = new Uint32Array(Math.max(word + 1, Math.min(this.#words.length * 2, MAX_PAGES / 32)));
    words.set(this.#words);
    this.#words = words;
  }
}
