import { once } from 'node:events';
import { type FileHandle, open, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type KernelSender, loadKernelSender } from '#seekwell/proxy/kernel-sender';
import { afterThisTest, temporaryFolder } from '../support/temp-folder.ts';

const MIB = 1024 * 1024;

interface Scene {
  readonly sender: KernelSender;
  readonly bytes: Buffer;
  readonly file: FileHandle;
  /** The serving end of a connection, and its number. */
  readonly socket: Socket;
  readonly descriptor: number;
  readonly client: Socket;
}

async function scene(size: number): Promise<Scene> {
  const sender = await loadKernelSender();
  if (sender === null) throw new Error('npm ci installs koffi, by which the kernel is called');
  const path = join(await temporaryFolder(), 'file');
  const bytes = Buffer.alloc(size, 'abcdefghijklmnopqrstuvwxyz0123456789-');
  await writeFile(path, bytes);
  const file = await open(path);
  // Nobody reads from it: Node does not hear when the other side goes.
  const server = createServer({ pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1').pause();
  const [socket] = (await once(server, 'connection')) as [Socket];
  socket.on('error', () => undefined);
  afterThisTest(async () => {
    client.destroy();
    socket.destroy();
    server.close();
    await file.close();
  });
  const { fd: descriptor } = (socket as unknown as { readonly _handle: { readonly fd: number } })._handle;
  return { sender, bytes, file, socket, descriptor, client };
}

async function received(client: Socket, count: number): Promise<Buffer> {
  let all = Buffer.alloc(0);
  for await (const piece of client.resume()) {
    all = Buffer.concat([all, piece as Buffer]);
    if (all.length >= count) break;
  }
  return all;
}

describe.runIf(process.platform === 'linux')('the kernel of Linux', () => {
  test('sends a head and bytes of a file, in their order', async () => {
    const { sender, bytes, file, descriptor, client } = await scene(100_000);
    expect(sender.sendHead(descriptor, 'h\xe4ad ', 'with the rest')).toBe(5);
    expect(sender.sendFile(descriptor, file.fd, 70_001, 20_000)).toBe(20_000);
    const all = await received(client, 20_005);
    expect(all.toString('latin1', 0, 5)).toBe('h\xe4ad ');
    expect(all.subarray(5).equals(bytes.subarray(70_001, 90_001))).toBe(true);
  });

  test('takes what fits, never waits, and a copy by Node comes after it', async () => {
    const { sender, bytes, file, socket, descriptor, client } = await scene(64 * MIB);
    let sent = 0;
    for (let count = -1; count !== 0; sent += count) count = sender.sendFile(descriptor, file.fd, sent, 64 * MIB - sent);
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(64 * MIB);
    expect(sender.sendHead(descriptor, 'full', 'with the rest')).toBe(0);
    socket.write(bytes.subarray(sent, sent + MIB));
    expect((await received(client, sent + MIB)).equals(bytes.subarray(0, sent + MIB))).toBe(true);
  });

  test('sends positions beyond 4 GiB', async () => {
    const { sender, file, descriptor, client } = await scene(10);
    const path = join(await temporaryFolder(), 'sparse');
    const sparse = await open(path, 'wx+');
    afterThisTest(() => sparse.close());
    await sparse.write('far away', 5 * 2 ** 30);
    expect(sender.sendFile(descriptor, sparse.fd, 5 * 2 ** 30 + 4, 100)).toBe(4);
    expect(sender.sendFile(descriptor, file.fd, 10, 5), 'nothing behind the end').toBe(0);
    expect((await received(client, 4)).toString()).toBe('away');
  });

  test('a socket whose other side is gone takes nothing, and ends nobody', async () => {
    const { sender, file, descriptor, client } = await scene(MIB);
    client.resetAndDestroy();
    await once(client, 'close');
    expect([sender.sendHead(descriptor, 'head', 'with the rest'), sender.sendFile(descriptor, file.fd, 0, MIB)]).toEqual([0, 0]);
  });

  test('a head that is too long is left to others', async () => {
    const { sender, descriptor } = await scene(10);
    expect(sender.sendHead(descriptor, 'x'.repeat(5000), 'with the rest')).toBe(0);
  });
});
