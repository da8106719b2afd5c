import { crc32 } from 'node:zlib';
import type { Checksum, ChunkFile, ChunkStore } from '#seekwell/chunk-store/chunk-store';
import { type ByteRange, missing } from '#seekwell/core/byte-ranges';
import { SeekwellError } from '#seekwell/errors';
import type { Life, Scheduler } from './scheduler.ts';
import type { SeededRandom } from './seeded-random.ts';

/** What a disk writes as a whole, in bytes; a power cut may tear even that. */
const SECTOR = 512;

interface Dirty {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/** One file: what programs see, and what a power cut would leave. */
export class SimulatedFile {
  readonly path: string;
  /** How long it is; what lies beyond is not there. */
  visibleLength = 0;
  durableLength = 0;
  visible: Buffer = Buffer.alloc(0);
  durable: Buffer = Buffer.alloc(0);
  /** What was written and is not on the disk yet. */
  #dirty: Dirty[] = [];
  /** Where `durable` may have changed since somebody asked. */
  #rewritten: ByteRange[] = [];
  /** Its name is on the disk. */
  named = false;
  /** Syncs that failed. */
  failures = 0;
  /** What the disk has not kept as it was written, and nobody has written anew since. */
  damaged: ByteRange[] = [];

  constructor(path: string) {
    this.path = path;
  }

  write(chunks: readonly Uint8Array[], position: number, most = Number.POSITIVE_INFINITY): void {
    let at = position;
    for (const chunk of chunks) {
      const part = chunk.subarray(0, Math.max(0, most - (at - position)));
      this.#grow(at + part.length);
      this.visible.set(part, at);
      at += part.length;
    }
    if (at === position) return;
    this.visibleLength = Math.max(this.visibleLength, at);
    this.#dirty.push({ start: position, end: at });
  }

  read(into: Uint8Array, position: number): number {
    const end = Math.min(this.visibleLength, position + into.length);
    if (end <= position) return 0;
    into.set(this.visible.subarray(position, end));
    return end - position;
  }

  /** The system could not write some pages, and keeps no note of it: who has the file open now must never trust it again. */
  failToSync(random: SeededRandom): void {
    this.failures++;
    this.#dirty = this.#dirty.filter(() => random.chance(0.5));
  }

  /** Makes durable what was written. */
  sync(): void {
    this.named = true;
    for (const { start, end } of this.#dirty) this.#settle(start, end);
    this.#dirty = [];
  }

  /** Other bytes than were written, from `start` to `end`; both included. */
  rot(start: number, end: number): void {
    for (const bytes of [this.visible, this.durable]) for (let at = start; at <= end; at++) bytes[at] = (bytes[at] as number) ^ 0x40;
    this.damaged.push({ start, end });
  }

  /** What lies from `length` on is gone. */
  cutShort(length: number): void {
    for (const bytes of [this.visible, this.durable]) bytes.fill(0, length);
    this.visibleLength = Math.min(this.visibleLength, length);
    this.durableLength = Math.min(this.durableLength, length);
    this.damaged.push({ start: length, end: Number.MAX_SAFE_INTEGER });
  }

  /** Of what was not synced, some sectors reached the disk, some did not, some in part, in no order. */
  cutPower(random: SeededRandom): void {
    const kept = random.fraction();
    for (const { start, end } of this.#dirty) {
      for (let from = start; from < end; from = Math.min(end, (Math.floor(from / SECTOR) + 1) * SECTOR)) {
        if (!random.chance(kept)) continue;
        const to = Math.min(end, (Math.floor(from / SECTOR) + 1) * SECTOR);
        this.#settle(from, random.chance(0.1) ? random.between(from, to) : to);
      }
    }
    this.#dirty = [];
    this.visibleLength = this.durableLength;
    this.visible = Buffer.from(this.durable);
  }

  /** Where what is durable may have changed since the last call. */
  takeRewritten(): ByteRange[] {
    const rewritten = this.#rewritten;
    this.#rewritten = [];
    return rewritten;
  }

  #settle(start: number, end: number): void {
    if (end <= start) return;
    this.#rewritten.push({ start, end: end - 1 });
    if (this.damaged.length > 0) this.damaged = this.damaged.flatMap((range) => missing([{ start, end: end - 1 }], range));
    this.visible.copy(this.durable, start, start, end);
    this.durableLength = Math.max(this.durableLength, end);
  }

  #grow(length: number): void {
    if (length <= this.visible.length) return;
    const capacity = Math.max(64 * 1024, 2 ** Math.ceil(Math.log2(length)));
    this.visible = Buffer.concat([this.visible], capacity);
    this.durable = Buffer.concat([this.durable], capacity);
  }
}

/** How the disk behaves at the moment. Probabilities of one call. */
export interface DiskWeather {
  readonly writeFails: number;
  readonly syncFails: number;
  readonly readFails: number;
  /** The most milliseconds that a call takes. */
  readonly latency: number;
  /** Bytes that may still be written before it is full. */
  readonly free: number;
}

export const FAIR_DISK: DiskWeather = { writeFails: 0, syncFails: 0, readFails: 0, latency: 2, free: Number.POSITIVE_INFINITY };

/** The disk of the simulated machine. */
export class SimulatedDisk {
  readonly files = new Map<string, SimulatedFile>();
  readonly random: SeededRandom;
  weather: DiskWeather = FAIR_DISK;
  /** What somebody else took away: what is recorded of it is not true until it is noticed. */
  readonly lost = new Set<string>();
  /** Another number whenever a file appeared or went. */
  changes = 0;

  constructor(random: SeededRandom) {
    this.random = random;
  }

  create(path: string): SimulatedFile {
    const known = this.files.get(path);
    if (known !== undefined) return known;
    const file = new SimulatedFile(path);
    this.files.set(path, file);
    this.changes++;
    return file;
  }

  remove(path: string): void {
    this.files.delete(path);
    this.changes++;
  }

  /** Somebody who is not Seekwell removes the file. (One that is cut short would read as zeros where it grows again: only checksums tell.) */
  lose(path: string): void {
    this.lost.add(path);
    this.remove(path);
  }

  cutPower(): void {
    for (const file of this.files.values()) {
      if (!file.named && this.random.chance(0.5)) this.remove(file.path);
      else file.cutPower(this.random);
    }
    this.changes++;
  }
}

function failed(doing: string, code: string): SeekwellError {
  return new SeekwellError('STORAGE_FAILED', `the cache file could not be ${doing}: ${code}`);
}

/** The store of one simulated process on the machine's disk. */
export class SimulatedStore implements ChunkStore {
  readonly #disk: SimulatedDisk;
  readonly #scheduler: Scheduler;
  readonly #life: Life;
  readonly #wrap: (file: ChunkFile) => ChunkFile;

  constructor(disk: SimulatedDisk, scheduler: Scheduler, life: Life, wrap: (file: ChunkFile) => ChunkFile) {
    this.#disk = disk;
    this.#scheduler = scheduler;
    this.#life = life;
    this.#wrap = wrap;
  }

  get disk(): SimulatedDisk {
    return this.#disk;
  }

  async open(path: string): Promise<ChunkFile | null> {
    const file = await this.later(() => this.#disk.files.get(path) ?? null);
    return file === null ? null : this.#wrap(new OpenFile(file, this));
  }

  openNow(path: string): ChunkFile | null {
    // As with descriptors that are open already: only sometimes.
    const file = this.#disk.random.chance(0.5) ? this.#disk.files.get(path) : undefined;
    return file === undefined ? null : this.#wrap(new OpenFile(file, this));
  }

  async create(path: string): Promise<ChunkFile> {
    return this.#wrap(new OpenFile(await this.later(() => this.#disk.create(path)), this));
  }

  async remove(path: string): Promise<void> {
    await this.later(() => this.#disk.remove(path));
    await this.later(() => {});
  }

  async *list(): AsyncIterable<string> {
    yield* await this.later(() => [...this.#disk.files.keys()]);
  }

  /** No sockets here: what takes this way gives no bytes that `readNow` does not. */
  sendNow(): null {
    return null;
  }

  prepare(): void {}

  async close(): Promise<void> {}

  /** Does `work` after a while, and answers. */
  later<Result>(work: () => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#scheduler.after(this.#disk.random.fraction() * this.#disk.weather.latency, this.#life, () => {
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      });
    });
  }
}

class OpenFile implements ChunkFile {
  readonly path: string;
  readonly #file: SimulatedFile;
  readonly #store: SimulatedStore;
  readonly #failuresBefore: number;
  #closed = false;

  constructor(file: SimulatedFile, store: SimulatedStore) {
    this.path = file.path;
    this.#file = file;
    this.#store = store;
    this.#failuresBefore = file.failures;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    this.#refuseWhenClosed();
    return this.#store.later(() => {
      this.#maybeFail('read', 'readFails');
      return this.#file.read(into, position);
    });
  }

  readNow(into: Uint8Array, position: number): number {
    this.#refuseWhenClosed();
    this.#maybeFail('read', 'readFails');
    return this.#file.read(into, position);
  }

  sendNow(): null {
    return null;
  }

  async write(chunks: readonly Uint8Array[], position: number): Promise<void> {
    this.#refuseWhenClosed();
    const { disk } = this.#store;
    await this.#store.later(() => {
      const bytes = chunks.reduce((sum, { length }) => sum + length, 0);
      const { weather, random } = disk;
      if (weather.free < bytes) {
        this.#file.write(chunks, position, weather.free);
        disk.weather = { ...weather, free: 0 };
        throw failed('written', 'ENOSPC');
      }
      if (random.chance(weather.writeFails)) {
        this.#file.write(chunks, position, random.between(0, bytes));
        throw failed('written', 'EIO');
      }
      this.#file.write(chunks, position);
      disk.weather = { ...weather, free: weather.free - bytes };
    });
    // Written, and the writer does not know yet.
    await this.#store.later(() => {});
  }

  async sync(): Promise<void> {
    this.#refuseWhenClosed();
    await this.#store.later(() => {
      const { weather, random } = this.#store.disk;
      if (random.chance(weather.syncFails)) this.#file.failToSync(random);
      if (this.#file.failures > this.#failuresBefore) throw failed('synced', 'EIO');
      this.#file.sync();
    });
    await this.#store.later(() => {});
  }

  async checksum({ start, end }: ByteRange): Promise<Checksum> {
    this.#refuseWhenClosed();
    return this.#store.later(() => {
      this.#maybeFail('read', 'readFails');
      const bytes = new Uint8Array(end - start + 1);
      const count = this.#file.read(bytes, start);
      return count < bytes.length ? { kind: 'short', size: start + count } : { kind: 'whole', crc32: crc32(bytes) };
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #maybeFail(doing: string, what: 'readFails'): void {
    const { weather, random } = this.#store.disk;
    if (random.chance(weather[what])) throw failed(doing, 'EIO');
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw new SeekwellError('INTERNAL', 'a file was used after it was closed');
  }
}
