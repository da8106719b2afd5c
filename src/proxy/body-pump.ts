import type { Clock } from '../clock.ts';
import type { EntryReader } from '../downloads/entry-reader.ts';
import { type BufferPool, bodyOf, LARGE_BYTES, LEAST_BYTES, PAIRED_BYTES, SMALL_BYTES } from './buffer-pool.ts';
import type { Outlet } from './outlet.ts';

/** A client that needs longer than this to take a buffer has enough for a while, in milliseconds. */
const SLOW_MS = 20;
/** After this many bytes in a row others get their turn: a client as fast as this process would keep it to itself. */
const TURN_BYTES = 2 * 1024 * 1024;
/** Bytes that the system sends at a time: how long that takes tells whether they were in memory. */
const STEP_BYTES = 512 * 1024;

/**
 * Sends the bytes of one reader to one client. What the system holds in memory goes out without a wait in between, through one buffer; else the next one is
 * filled while the client takes the one before. Either way a stream holds 512 KiB at the most. A slow client holds a single small buffer.
 */
export class BodyPump {
  readonly #reader: EntryReader;
  readonly #outlet: Outlet;
  readonly #pool: BufferPool;
  readonly #clock: Clock;
  /** Buffers that are being filled or written. */
  readonly #held = new Set<Buffer>();
  #slow = false;
  /** The last bytes were not in memory. */
  #waits = false;
  /** What was waited for was not for the system to send. Else the client has to take what it was given before: then the system can send. */
  #copies = false;
  /** The next buffer may be filled while the one before is written. */
  #paired = false;
  /** The socket has no room for what the system could send from memory: the next bytes are copied, and tell when it has. */
  #full = false;
  #sinceTurn = 0;

  constructor(reader: EntryReader, outlet: Outlet, pool: BufferPool, clock: Clock) {
    this.#reader = reader;
    this.#outlet = outlet;
    this.#pool = pool;
    this.#clock = clock;
  }

  /** Resolves when all is sent. @throws SeekwellError as the reader does; an error of the socket when the client is gone */
  async run(): Promise<void> {
    let writing: Promise<void> | null = null;
    try {
      for (;;) {
        if (this.#slow || !this.#paired) await writing;
        if (this.#sendFromFile()) {
          if (this.#sinceTurn >= TURN_BYTES) await this.#letOthers();
          if (this.#reader.remaining > 0) continue;
          await writing;
          return;
        }
        let buffer = this.#take();
        let count = this.#reader.readNow(bodyOf(buffer));
        // Two at a time only once both are of the lesser size.
        this.#paired = count === 0 && this.#waits && this.#copies;
        this.#waits = count === 0;
        if (count === 0) {
          // That may take long: no buffer is held meanwhile.
          this.#giveBack(buffer);
          await this.#reader.ready();
          if (!this.#copies) await writing;
          if (this.#sendFromFile()) continue;
          this.#copies = true;
          buffer = this.#take();
          count = this.#reader.readNow(bodyOf(buffer)) || (await this.#reader.read(bodyOf(buffer)));
        }
        await writing;
        if (count === 0) return this.#giveBack(buffer);
        writing = this.#send(buffer, count);
        if (this.#sinceTurn >= TURN_BYTES) await this.#letOthers();
      }
    } finally {
      // After a failure a read or a write may still be using them.
      for (const buffer of this.#held) this.#pool.lose(buffer);
    }
  }

  /** Has the system send what it holds in memory. True: it took some, and may take more. */
  #sendFromFile(): boolean {
    const sent = this.#outlet.takesFiles ? this.#reader.sendNow(STEP_BYTES, this.#outlet.sendFile) : null;
    this.#full = sent === 0;
    if (sent === null || sent === 0) return false;
    this.#copies = false;
    this.#sinceTurn += sent;
    return true;
  }

  /** Null: it is sent; else resolves when it is. */
  #send(buffer: Buffer, count: number): Promise<void> | null {
    let over = false;
    let failure: Error | null | undefined;
    let wake: (() => void) | null = null;
    this.#sinceTurn += count;
    this.#outlet.write(buffer, count, (error) => {
      over = true;
      failure = error;
      wake?.();
    });
    if (this.#outlet.flushed) {
      this.#giveBack(buffer);
      return null;
    }
    const began = this.#clock.monotonic();
    const taken = new Promise<void>((resolve) => {
      wake = resolve;
      if (over) resolve();
    });
    const sent = taken.then(() => {
      if (failure) throw failure;
      this.#slow = this.#clock.monotonic() - began > SLOW_MS;
      this.#sinceTurn = 0;
      this.#giveBack(buffer);
    });
    // Awaited when the next bytes are there: until then nobody would hear of its failure.
    sent.catch(() => {});
    return sent;
  }

  async #letOthers(): Promise<void> {
    this.#sinceTurn = 0;
    await new Promise<void>((resolve) => this.#clock.soon(resolve));
  }

  #take(): Buffer {
    const { remaining } = this.#reader;
    const most = this.#full ? LEAST_BYTES : this.#slow ? SMALL_BYTES : this.#waits ? PAIRED_BYTES : LARGE_BYTES;
    const buffer = this.#pool.take(Math.min(most, remaining));
    this.#held.add(buffer);
    return buffer;
  }

  #giveBack(buffer: Buffer): void {
    this.#held.delete(buffer);
    this.#pool.giveBack(buffer);
  }
}
