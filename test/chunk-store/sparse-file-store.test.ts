import { rename, stat, truncate, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { storePath } from '#seekwell/chunk-store/chunk-store';
import { SparseFileStore } from '#seekwell/chunk-store/sparse-file-store';
import { ManualClock } from '../support/manual-clock.ts';
import { afterThisTest, temporaryFolder } from '../support/temp-folder.ts';

const PATH = storePath('00112233445566778899aabbccddeeff', '.mkv');

async function openStore(durable = true): Promise<{ store: SparseFileStore; folder: string; clock: ManualClock }> {
  const folder = await temporaryFolder();
  const clock = new ManualClock();
  const store = new SparseFileStore({ folder, clock, durable });
  afterThisTest(() => store.close());
  return { store, folder, clock };
}

async function bytesAt(store: SparseFileStore, position: number, length: number): Promise<Buffer> {
  const file = await store.open(PATH);
  const into = Buffer.alloc(length);
  const count = (await file?.read(into, position)) ?? 0;
  await file?.close();
  return into.subarray(0, count);
}

describe('a file of the store', () => {
  test('is sparse: byte N of the resource is at offset N, far beyond what is written', async () => {
    const { store, folder } = await openStore();
    const file = await store.create(PATH);
    const far = 2 ** 40;
    await file.write([Buffer.from('tail')], far);
    await file.sync();
    await file.close();
    const { size, blocks } = await stat(join(folder, PATH));
    expect(size).toBe(far + 4);
    expect(blocks * 512).toBeLessThan(1024 * 1024);
    expect((await bytesAt(store, far, 10)).toString()).toBe('tail');
  });

  test('what chunks hold is written one after the other, whatever their sizes', async () => {
    const { store } = await openStore(false);
    const file = await store.create(PATH);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 5000 }), { maxLength: 20 }), fc.nat(100_000), async (chunks, position) => {
        const expected = Buffer.concat(chunks);
        await file.write(chunks, position);
        const into = Buffer.alloc(expected.length);
        expect(await file.read(into, position)).toBe(expected.length);
        expect(into.equals(expected)).toBe(true);
      }),
      { numRuns: 50 },
    );
    await file.close();
  });

  test.each([true, false])(
    'that was unlinked under it says so when it is synced, and is not handed out again (durable: %s)',
    async (durable) => {
      const { store, folder } = await openStore(durable);
      const file = await store.create(PATH);
      await file.write([Buffer.from('kept')], 0);
      await file.sync();
      await unlink(join(folder, PATH));
      await file.write([Buffer.from('lost')], 4);
      await expect(file.sync()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
      const into = Buffer.alloc(8);
      expect([await file.read(into, 0), into.toString()]).toEqual([8, 'keptlost']);
      expect(await store.open(PATH)).toBeNull();
      await file.close();
    },
  );

  test('reads stop at the end of the file', async () => {
    const { store } = await openStore();
    const file = await store.create(PATH);
    await file.write([Buffer.from('abc')], 0);
    expect(await file.read(Buffer.alloc(10), 1)).toBe(2);
    expect(await file.read(Buffer.alloc(10), 3)).toBe(0);
    await file.close();
    await expect(file.read(Buffer.alloc(1), 0)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  });

  test('one that is removed stays readable for whoever has it open, and its name is free of it', async () => {
    const { store, folder } = await openStore();
    const file = await store.create(PATH);
    await file.write([Buffer.from('abc')], 0);
    await store.remove(PATH);
    await store.remove(PATH);
    const into = Buffer.alloc(3);
    await file.read(into, 0);
    expect(into.toString()).toBe('abc');
    expect(await store.open(PATH)).toBeNull();
    await expect(stat(join(folder, PATH))).rejects.toMatchObject({ code: 'ENOENT' });
    await file.close();
  });

  test('two who create it at the same time share it', async () => {
    const { store } = await openStore();
    const [first, second] = await Promise.all([store.create(PATH), store.create(PATH)]);
    await first.write([Buffer.from('ab')], 0);
    await second.write([Buffer.from('cd')], 2);
    await first.close();
    await second.close();
    expect((await bytesAt(store, 0, 10)).toString()).toBe('abcd');
  });

  test('after a sync that failed nobody who has it open is told that anything is on the disk; whoever opens it anew may be', async () => {
    const { store, folder } = await openStore();
    const [one, other] = await Promise.all([store.create(PATH), store.create(PATH)]);
    await one.write([Buffer.from('ab')], 0);
    await other.write([Buffer.from('cd')], 2);
    // The sync of the new name fails, once.
    const names = join(folder, dirname(PATH));
    await rename(names, `${names}-away`);
    await expect(one.sync()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    await rename(`${names}-away`, names);
    await expect(other.sync()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    await expect(one.sync()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    expect(store.openNow(PATH)).toBeNull();
    const anew = await store.create(PATH);
    await anew.write([Buffer.from('ef')], 4);
    await anew.sync();
    await Promise.all([one.close(), other.close(), anew.close()]);
    expect((await bytesAt(store, 0, 10)).toString()).toBe('abcdef');
  });

  test('syncs of several writers resolve, and a close waits for them', async () => {
    const { store } = await openStore();
    const files = await Promise.all(Array.from({ length: 8 }, () => store.create(PATH)));
    await Promise.all(
      files.map(async (file, index) => {
        await file.write([Buffer.alloc(1000, index)], index * 1000);
        const synced = file.sync();
        await file.close();
        await synced;
      }),
    );
    expect((await bytesAt(store, 7000, 1)).toString()).toBe('\x07');
  });
});

describe('checksums', () => {
  test('of a range, wherever it lies, are those of its bytes', async () => {
    const { store } = await openStore();
    const file = await store.create(PATH);
    await file.write([Buffer.from('abcdef')], 5_000_000_000);
    const sum = (start: number, end: number) => file.checksum({ start: 5_000_000_000 + start, end: 5_000_000_000 + end }, 'now');
    expect(await sum(1, 3)).toEqual({ kind: 'whole', crc32: crc32(Buffer.from('bcd')) });
    expect(await sum(5, 6)).toEqual({ kind: 'short', size: 5_000_000_006 });
    expect(await sum(9, 9)).toEqual({ kind: 'short', size: 5_000_000_006 });
    expect(await file.checksum({ start: 0, end: 3 * 1024 * 1024 }, 'idle')).toMatchObject({ kind: 'whole' });
    await file.close();
  });

  test('that a reader waits for come before those that nobody waits for', async () => {
    const { store } = await openStore();
    const file = await store.create(PATH);
    await file.write([Buffer.alloc(1024 * 1024)], 0);
    const order: string[] = [];
    const ask = (urgency: 'now' | 'soon' | 'idle') =>
      file.checksum({ start: 0, end: 1024 * 1024 - 1 }, urgency).then(() => order.push(urgency));
    const asked = (['idle', 'idle', 'idle', 'soon', 'soon', 'soon', 'now'] as const).map(ask);
    // Closing the file waits for them: its descriptor is still read from.
    await file.close();
    await Promise.all(asked);
    expect(order.slice(-2)).toEqual(['idle', 'idle']);
    expect(order.indexOf('now')).toBeLessThanOrEqual(2);
  });
});

test('a path that leads out of the folder is refused', async () => {
  const { store } = await openStore();
  await expect(store.open('../outside')).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  await expect(store.create('/etc/seekwell')).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
});

test('files stay open for a moment after their last use, and are closed by themselves', async () => {
  const { store, clock } = await openStore();
  const file = await store.create(PATH);
  await file.write([Buffer.from('abc')], 0);
  await file.close();
  expect(clock.timers).toBe(1);
  clock.advance(10_000);
  expect(clock.timers).toBe(0);
  expect((await bytesAt(store, 0, 3)).toString()).toBe('abc');
});

test('lists the files there are', async () => {
  const { store } = await openStore();
  const paths = ['11', '22'].map((start) => storePath(start.repeat(16), ''));
  for (const path of paths) await (await store.create(path)).close();
  const listed: string[] = [];
  for await (const path of store.list()) listed.push(path);
  expect(listed.sort()).toEqual(paths);
});

describe('reading at once', () => {
  const PAGE = 64 * 1024;

  test('gives what was just written or read, and nothing else', async () => {
    const { store, folder, clock } = await openStore(false);
    const file = await store.create(PATH);
    await file.write([Buffer.from('abc')], 10);
    const into = Buffer.alloc(5);
    expect(file.readNow(into, 10)).toBe(3);
    expect(into.toString('latin1', 0, 3)).toBe('abc');
    expect(file.readNow(into, PAGE)).toBe(0);
    await file.close();
    clock.advance(10_000);
    await writeFile(join(folder, PATH), Buffer.alloc(3 * PAGE, 'x'));
    const again = await store.open(PATH);
    expect(again?.readNow(into, 0)).toBe(0);
    await again?.read(into, PAGE);
    expect([again?.readNow(into, 0), again?.readNow(into, PAGE), again?.readNow(into, 2 * PAGE)]).toEqual([0, 5, 0]);
    expect(into.toString()).toBe('xxxxx');
    expect(again?.readNow(Buffer.alloc(2 * PAGE), PAGE + 1)).toBe(PAGE - 1);
    await again?.checksum({ start: 2 * PAGE, end: 2 * PAGE + 9 }, 'now');
    expect([again?.readNow(into, 0), again?.readNow(into, 2 * PAGE)]).toEqual([0, 5]);
    await again?.close();
  });

  test('is for all users of a file, and for whoever opens it at once', async () => {
    const { store, clock } = await openStore(false);
    expect(store.openNow(PATH)).toBeNull();
    const file = await store.create(PATH);
    await file.write([Buffer.from('abc')], 0);
    const other = store.openNow(PATH);
    await file.close();
    const into = Buffer.alloc(3);
    // A file that is closed gives nothing; the descriptor is its users', and this one is still there.
    expect([file.readNow(into, 0), other?.readNow(into, 0)]).toEqual([0, 3]);
    clock.advance(10_000);
    expect(other?.readNow(into, 0)).toBe(3);
    await other?.close();
    const idle = store.openNow(PATH);
    expect(idle?.readNow(into, 0)).toBe(3);
    await idle?.close();
    clock.advance(10_000);
    expect(store.openNow(PATH)).toBeNull();
  });

  test('one that is removed is opened by nobody more, and stays readable for whoever has it', async () => {
    const { store } = await openStore(false);
    const file = await store.create(PATH);
    await file.write([Buffer.from('abc')], 0);
    await store.remove(PATH);
    expect([store.openNow(PATH), file.readNow(Buffer.alloc(3), 0)]).toEqual([null, 3]);
    await file.close();
  });

  test('a file that was cut short gives fewer, and nothing beyond its end', async () => {
    const { store, folder } = await openStore(false);
    const file = await store.create(PATH);
    await file.write([Buffer.from('abcdef')], 0);
    await truncate(join(folder, PATH), 4);
    expect([file.readNow(Buffer.alloc(6), 0), file.readNow(Buffer.alloc(6), 4)]).toEqual([4, 0]);
    await file.close();
  });

  test('forgets what it took for granted when the system turns out slow', async () => {
    let ms = 0;
    const clock = new ManualClock();
    const slow = { now: () => clock.now(), monotonic: () => (ms += 60), after: clock.after.bind(clock), soon: clock.soon.bind(clock) };
    const store = new SparseFileStore({ folder: await temporaryFolder(), clock: slow, durable: false });
    afterThisTest(() => store.close());
    const file = await store.create(PATH);
    await file.write([Buffer.from('abc')], 0);
    expect([1, 2, 3, 4].map(() => file.readNow(Buffer.alloc(3), 0))).toEqual([3, 3, 3, 0]);
    await file.read(Buffer.alloc(3), 0);
    expect(file.readNow(Buffer.alloc(3), 0)).toBe(3);
    await file.close();
  });
});
