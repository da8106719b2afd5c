import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FileSend } from '#seekwell/chunk-store/chunk-store';
import type { EntryReader } from '#seekwell/downloads/entry-reader';
import { BodyPump } from '#seekwell/proxy/body-pump';
import { BufferPool, HEAD_ROOM } from '#seekwell/proxy/buffer-pool';
import type { Outlet } from '#seekwell/proxy/outlet';
import { ManualClock } from '../support/manual-clock.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const SMALL = 64 * KIB;
const PAIRED = 256 * KIB;
const LARGE = 512 * KIB;
const LEAST = 16 * KIB;
/** A descriptor. */
const FILE = 7;

/** A pool that tells what is out of it. */
class WatchedPool extends BufferPool {
  readonly out = new Set<Buffer>();
  readonly taken: number[] = [];
  readonly given = new Set<Buffer>();
  lost = 0;

  override take(wanted: number): Buffer {
    const buffer = super.take(wanted);
    expect(this.out.has(buffer), 'a buffer that is in use is given to nobody else').toBe(false);
    this.out.add(buffer);
    this.taken.push(buffer.length - HEAD_ROOM);
    return buffer;
  }

  override giveBack(buffer: Buffer): void {
    expect(this.out.delete(buffer), 'a buffer comes back once').toBe(true);
    this.given.add(buffer);
    super.giveBack(buffer);
  }

  override lose(buffer: Buffer): void {
    expect(this.out.delete(buffer)).toBe(true);
    this.lost++;
    super.lose(buffer);
  }
}

/** Gives `total` bytes, byte N of which is N modulo 251: at once, or one read at a time when the test says so. */
class ScriptedReader {
  position = 0;
  /** False: `readNow` gives nothing. */
  atOnce = true;
  /** Bytes of one read, at the most. */
  most = Number.POSITIVE_INFINITY;
  /** Called by `read`; the read is over when it resolves. */
  waits: () => Promise<void> = async () => undefined;
  readonly #total: number;

  constructor(total: number) {
    this.#total = total;
  }

  get remaining(): number {
    return this.#total - this.position;
  }

  /** Has a file of the first so many bytes. */
  inFile = 0;

  sendNow(most: number, send: FileSend): number | null {
    const length = Math.min(most, this.inFile - this.position);
    if (length <= 0) return null;
    const sent = send(FILE, this.position, length);
    this.position += sent;
    return sent;
  }

  readNow(into: Buffer): number {
    return this.atOnce ? this.#fill(into) : 0;
  }

  async ready(): Promise<void> {}

  async read(into: Buffer): Promise<number> {
    await this.waits();
    return this.#fill(into);
  }

  #fill(into: Buffer): number {
    const count = Math.min(into.length, this.remaining, this.most);
    for (let i = 0; i < count; i += 997) into[i] = (this.position + i) % 251;
    this.position += count;
    return count;
  }
}

/** What was written and not yet taken by the client. */
type Pending = (error?: Error) => void;

class ScriptedOutlet implements Outlet {
  destroyed = false;
  /** True: the client takes everything within the write. */
  fast = true;
  received = 0;
  wrong = 0;
  readonly pending: Pending[] = [];
  /** Called at each write. */
  onWrite: () => void = () => undefined;

  takesFiles = false;
  /** Bytes out of a file that still fit into the socket. */
  room = Number.POSITIVE_INFINITY;
  readonly sent: number[] = [];

  readonly sendFile: FileSend = (descriptor, position, length) => {
    expect([descriptor, position, this.flushed]).toEqual([FILE, this.received, true]);
    const count = Math.min(length, this.room);
    this.room -= count;
    this.received += count;
    this.sent.push(count);
    return count;
  };

  get flushed(): boolean {
    return this.pending.length === 0;
  }

  begin(): void {}
  end(): void {}
  destroy(): void {}

  write(buffer: Buffer, count: number, taken: (error?: Error | null) => void): void {
    const at = this.received;
    this.received += count;
    const check = (): void => {
      for (let i = 0; i < count; i += 997) if (buffer[HEAD_ROOM + i] !== (at + i) % 251) this.wrong++;
    };
    this.onWrite();
    if (this.fast) {
      check();
      process.nextTick(taken);
      return;
    }
    const done = (error?: Error): void => {
      // What was in the buffer must still be in it.
      check();
      this.pending.splice(this.pending.indexOf(done), 1);
      taken(error ?? null);
    };
    this.pending.push(done);
  }
}

interface Scene {
  readonly reader: ScriptedReader;
  readonly outlet: ScriptedOutlet;
  readonly pool: WatchedPool;
  readonly clock: ManualClock;
  run(): Promise<void>;
}

function scene(total: number, pool = new WatchedPool()): Scene {
  const reader = new ScriptedReader(total);
  const [outlet, clock] = [new ScriptedOutlet(), new ManualClock()];
  return { reader, outlet, pool, clock, run: () => new BodyPump(reader as unknown as EntryReader, outlet, pool, clock).run() };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const unhandled: unknown[] = [];
const note = (reason: unknown): void => void unhandled.push(reason);

beforeEach(() => process.on('unhandledRejection', note));
afterEach(async () => {
  await turn();
  process.removeListener('unhandledRejection', note);
  expect(unhandled.splice(0)).toEqual([]);
});

describe('a client that takes what it is given', () => {
  test('gets all of it, and its buffers come back', async () => {
    const { reader, outlet, pool, run } = scene(3 * MIB + 5);
    await run();
    expect([outlet.received, outlet.wrong, reader.remaining]).toEqual([3 * MIB + 5, 0, 0]);
    // The last one is the small one that the end was looked for with.
    expect([pool.out.size, pool.lost, pool.given.size]).toEqual([0, 0, 2]);
    expect(pool.taken.slice(0, 2)).toEqual([LARGE, LARGE]);
  });

  test('lets others have their turn every 2 MiB', async () => {
    const { outlet, run } = scene(20 * MIB);
    const turns: number[] = [];
    const others = (): void => {
      turns.push(outlet.received);
      if (outlet.received < 20 * MIB) setImmediate(others);
    };
    setImmediate(others);
    await run();
    expect(turns.length).toBeGreaterThanOrEqual(9);
    for (const [i, received] of turns.entries()) expect(received - (turns[i - 1] ?? 0)).toBeLessThanOrEqual(2 * MIB + LARGE);
  });

  test('a little is sent from a small buffer, nothing from none', async () => {
    const { outlet, pool, run } = scene(100);
    await run();
    expect([outlet.received, outlet.wrong]).toEqual([100, 0]);
    expect([...new Set(pool.taken), pool.out.size]).toEqual([LEAST, 0]);
    const empty = scene(0);
    empty.outlet.onWrite = () => expect.unreachable();
    await empty.run();
    expect(empty.pool.out.size).toBe(0);
  });

  test('the next stream has the same buffers', async () => {
    const pool = new WatchedPool();
    await scene(3 * MIB, pool).run();
    const before = new Set(pool.given);
    await scene(3 * MIB, pool).run();
    expect(pool.given).toEqual(before);
  });
});

describe('what the system can send from memory itself', () => {
  test('needs no buffer, and lets others have their turn', async () => {
    const { reader, outlet, pool, run } = scene(20 * MIB);
    [outlet.takesFiles, reader.inFile] = [true, 20 * MIB];
    const turns: number[] = [];
    const others = (): void => {
      turns.push(outlet.received);
      if (outlet.received < 20 * MIB) setImmediate(others);
    };
    setImmediate(others);
    await run();
    expect([outlet.received, pool.taken, new Set(outlet.sent)]).toEqual([20 * MIB, [], new Set([LARGE])]);
    expect(turns.length).toBeGreaterThanOrEqual(9);
  });

  test('waits for a full socket with a small buffer, and goes on when that is taken', async () => {
    const { reader, outlet, pool, run } = scene(4 * MIB);
    [outlet.takesFiles, reader.inFile, outlet.fast, outlet.room] = [true, 4 * MIB, false, MIB + 5];
    const running = run();
    await turn();
    expect([outlet.received, outlet.pending.length, pool.taken]).toEqual([MIB + 5 + LEAST, 1, [LEAST]]);
    outlet.room = Number.POSITIVE_INFINITY;
    outlet.pending[0]?.();
    await running;
    expect([outlet.received, outlet.wrong, pool.taken, pool.out.size]).toEqual([4 * MIB, 0, [LEAST], 0]);
  });

  test('is mixed with what has to be copied', async () => {
    const { reader, outlet, pool, run } = scene(3 * MIB);
    [outlet.takesFiles, reader.inFile] = [true, MIB];
    await run();
    expect([outlet.received, outlet.wrong, outlet.sent, pool.out.size]).toEqual([3 * MIB, 0, [LARGE, LARGE], 0]);
  });

  test('may come to memory while it is waited for', async () => {
    const { reader, outlet, pool, run } = scene(4 * MIB);
    const ready = async (): Promise<void> => {
      reader.inFile = Math.min(4 * MIB, reader.position + MIB);
    };
    Object.assign(reader, { atOnce: false, ready });
    outlet.takesFiles = true;
    await run();
    expect([outlet.received, outlet.sent.length, pool.out.size, pool.lost]).toEqual([4 * MIB, 8, 0, 0]);
  });

  test('is copied where the client takes no files', async () => {
    const { reader, outlet, run } = scene(MIB);
    reader.inFile = MIB;
    await run();
    expect([outlet.received, outlet.wrong, outlet.sent]).toEqual([MIB, 0, []]);
  });
});

test('what is in memory goes through one buffer', async () => {
  const { reader, outlet, pool, run } = scene(4 * LARGE);
  outlet.fast = false;
  const running = run();
  for (let i = 1; i <= 4; i++) {
    await turn();
    expect([outlet.pending.length, outlet.received, reader.position, pool.out.size]).toEqual([1, i * LARGE, i * LARGE, 1]);
    outlet.pending[0]?.();
  }
  await running;
  expect([outlet.wrong, pool.out.size, pool.lost]).toEqual([0, 0, 0]);
});

test('what is not is read while the client takes the buffer before, and never more than that', async () => {
  const { reader, outlet, pool, run } = scene(8 * PAIRED);
  Object.assign(reader, { atOnce: false });
  outlet.fast = false;
  const running = run();
  await turn();
  for (let i = 1; i <= 7; i++) {
    expect([outlet.pending.length, outlet.received]).toEqual([1, i * PAIRED]);
    // The one before may have been a large one.
    expect(pool.out.size).toBe(i === 1 ? 1 : 2);
    expect(reader.position).toBe((i === 1 ? 1 : i + 1) * PAIRED);
    outlet.pending[0]?.();
    await turn();
  }
  outlet.pending[0]?.();
  await running;
  expect([outlet.wrong, pool.out.size, pool.lost]).toEqual([0, 0, 0]);
});

test('no buffer is held while the next bytes are waited for', async () => {
  const { reader, pool, run } = scene(MIB);
  let held = -1;
  const ready = async (): Promise<void> => {
    held = pool.out.size;
  };
  Object.assign(reader, { atOnce: false, ready });
  await run();
  expect([held, pool.out.size, pool.lost]).toEqual([0, 0, 0]);
});

test('a slow client holds a single small buffer, until it is faster', async () => {
  const { reader, outlet, pool, clock, run } = scene(4 * MIB);
  outlet.fast = false;
  const running = run();
  await turn();
  clock.advance(21);
  outlet.pending[0]?.();
  await turn();
  for (let i = 0; i < 5; i++) {
    clock.advance(21);
    outlet.pending[0]?.();
    await turn();
    expect([outlet.pending.length, pool.out.size, pool.taken.at(-1)]).toEqual([1, 1, SMALL]);
    expect(reader.position).toBe(outlet.received);
  }
  clock.advance(20);
  outlet.pending[0]?.();
  await turn();
  expect([pool.out.size, pool.taken.at(-1)]).toEqual([1, LARGE]);
  while (reader.remaining > 0 || outlet.pending.length > 0) {
    outlet.pending[0]?.();
    await turn();
  }
  await running;
  expect([outlet.received, outlet.wrong, pool.out.size]).toEqual([4 * MIB, 0, 0]);
});

test('what is not there at once is waited for', async () => {
  const { reader, outlet, pool, run } = scene(MIB);
  Object.assign(reader, { atOnce: false, most: 10_000 });
  await run();
  expect([outlet.received, outlet.wrong, pool.out.size, pool.lost]).toEqual([MIB, 0, 0, 0]);
});

describe('a failure', () => {
  test('of the reader is told, and buffers that may be in use are not given to others', async () => {
    const { reader, outlet, pool, run } = scene(4 * MIB);
    outlet.fast = false;
    let reads = 0;
    Object.assign(reader, { atOnce: false, waits: async () => expect(++reads, 'the origin is gone').toBeLessThan(3) });
    const failed = expect(run()).rejects.toThrow('the origin is gone');
    await turn();
    outlet.pending[0]?.();
    await failed;
    expect([pool.out.size, pool.lost, outlet.pending.length]).toEqual([0, 2, 1]);
    const given = pool.given.size;
    // The write that was under way fails later: nobody has to hear of it.
    outlet.pending[0]?.(new Error('the client is gone'));
    await turn();
    expect(pool.given.size).toBe(given);
  });

  test('of a write while a read is under way is told once, after the read is over', async () => {
    const { reader, outlet, pool, run } = scene(4 * MIB);
    outlet.fast = false;
    let [reads, arrived] = [0, (): void => undefined];
    Object.assign(reader, { atOnce: false, waits: () => (++reads < 3 ? null : new Promise<void>((resolve) => (arrived = resolve))) });
    let failures = 0;
    const running = run().catch((error: Error) => {
      failures++;
      expect(error.message).toBe('the client is gone');
    });
    await turn();
    outlet.pending[0]?.();
    await turn();
    outlet.pending[0]?.(new Error('the client is gone'));
    await turn();
    // The buffer that is read into must not be anybody else's before the read is over.
    expect([failures, pool.out.size]).toEqual([0, 2]);
    arrived();
    await running;
    expect([failures, pool.out.size, pool.lost]).toEqual([1, 0, 2]);
  });

  test('leaves the pool as many large buffers as before', async () => {
    const pool = new WatchedPool();
    for (let i = 0; i < 60; i++) {
      const { outlet, run } = scene(4 * MIB, pool);
      outlet.fast = false;
      outlet.onWrite = () => setImmediate(() => outlet.pending[0]?.(new Error('the client is gone')));
      await expect(run()).rejects.toThrow('the client is gone');
    }
    const buffers = Array.from({ length: 26 }, () => pool.take(MIB));
    expect(buffers.filter((buffer) => buffer.length > HEAD_ROOM + SMALL)).toHaveLength(24);
    expect(buffers.slice(24).map(({ length }) => length)).toEqual([HEAD_ROOM + SMALL, HEAD_ROOM + SMALL]);
  });
});
