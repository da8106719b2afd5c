/** The longest resource of the simulation, in bytes. */
export const WORLD = 24;

/**
 * A file whose bytes are told apart by the version of the resource they belong to; 0 is a hole. What was written is visible at once, and durable once
 * whoever wrote it synced: then all that is visible there is on disk, as with fdatasync.
 */
export class SimulatedFile {
  readonly visible = new Int32Array(WORLD);
  readonly durable = new Int32Array(WORLD);
  readonly #writer: unknown[] = new Array(WORLD).fill(null);
  readonly #unsynced = new Map<unknown, Set<number>>();

  write(process: unknown, start: number, end: number, version: number): void {
    const unsynced = this.#unsynced.get(process) ?? new Set();
    this.#unsynced.set(process, unsynced);
    for (let byte = start; byte <= end; byte++) {
      this.visible[byte] = version;
      this.#writer[byte] = process;
      unsynced.add(byte);
    }
  }

  sync(process: unknown): void {
    for (const byte of this.#unsynced.get(process) ?? []) this.durable[byte] = this.visible[byte]!;
    this.#unsynced.delete(process);
  }

  /** What `process` wrote last and did not sync never was, except where another's unsynced bytes lie in the same place: those are not lost alone. */
  lose(process: unknown): void {
    const lost = this.#unsynced.get(process) ?? new Set();
    this.#unsynced.delete(process);
    for (const byte of lost) {
      const shared = [...this.#unsynced.values()].some((bytes) => bytes.has(byte));
      if (this.#writer[byte] === process && !shared) this.visible[byte] = this.durable[byte]!;
    }
  }
}

/** Files by path. Whoever opened one keeps it when the path is unlinked. */
export class SimulatedDisk {
  readonly #files = new Map<string, SimulatedFile>();
  #changes = 0;

  /** Another number whenever some file may be another. */
  get changes(): number {
    return this.#changes;
  }

  write(file: SimulatedFile, process: unknown, start: number, end: number, version: number): void {
    this.#changes++;
    file.write(process, start, end, version);
  }

  open(path: string): SimulatedFile | null {
    return this.#files.get(path) ?? null;
  }

  create(path: string): SimulatedFile {
    const file = this.#files.get(path) ?? new SimulatedFile();
    this.#files.set(path, file);
    return file;
  }

  unlink(path: string): void {
    this.#changes++;
    this.#files.delete(path);
  }

  list(): string[] {
    return [...this.#files.keys()];
  }

  lose(process: unknown): void {
    this.#changes++;
    for (const file of this.#files.values()) file.lose(process);
  }
}
