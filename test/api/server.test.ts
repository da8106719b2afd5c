import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { expect, test } from 'vitest';
import { silentLogger } from '#seekwell/logger';
import { type ServerOptions, startServer } from '#seekwell/server';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import { afterThisTest } from '../support/temp-folder.ts';
import { apiServer, send } from './api-server.ts';

const MIB = 1024 * 1024;
const OPTIONS: ServerOptions = { host: '127.0.0.1', port: 0, token: null, allowedHosts: [], publicUrl: null, logger: silentLogger };

test('an address that is taken is named, with what to do about it', async () => {
  const api = await apiServer();
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  afterThisTest(() => taken.close());
  const { port } = taken.address() as { port: number };
  await expect(startServer(api.cache, { ...OPTIONS, port })).rejects.toMatchObject({
    code: 'ADDRESS_UNUSABLE',
    message: `127.0.0.1:${port} is in use already`,
    hint: expect.stringContaining('--port'),
  });
});

test.each(['203.0.113.7', 'no-such-host.invalid'])('%s is no address of this machine', async (host) => {
  const api = await apiServer();
  const failure = startServer(api.cache, { ...OPTIONS, host, token: 'secret' });
  await expect(failure).rejects.toMatchObject({
    code: 'ADDRESS_UNUSABLE',
    message: expect.stringContaining(host),
    hint: expect.stringContaining('--host'),
  });
});

test('a port that is none', async () => {
  const api = await apiServer();
  await expect(startServer(api.cache, { ...OPTIONS, port: 70_000 })).rejects.toMatchObject({ code: 'ADDRESS_UNUSABLE' });
});

test.each(['0.0.0.0', '::', '192.168.1.5', 'media.lan'])('%s without a token is refused', async (host) => {
  const api = await apiServer();
  await expect(startServer(api.cache, { ...OPTIONS, host })).rejects.toMatchObject({
    code: 'BAD_OPTION',
    hint: expect.stringContaining('--token'),
  });
});

test.each(['', 'two words', 'schlüssel'])('the token "%s" is refused', async (token) => {
  const api = await apiServer();
  await expect(startServer(api.cache, { ...OPTIONS, token })).rejects.toMatchObject({ code: 'BAD_OPTION' });
});

test.each(['films.example.com', 'ftp://films.example.com', 'https://me:pw@films.example.com', 'https://films.example.com/?a=b'])(
  'the public URL %s is refused',
  async (publicUrl) => {
    const api = await apiServer();
    await expect(startServer(api.cache, { ...OPTIONS, publicUrl })).rejects.toMatchObject({ code: 'BAD_OPTION' });
  },
);

const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'));

test.runIf(hasIpv6)('an IPv6 address stands in brackets', async () => {
  const api = await apiServer({ host: '::1' });
  expect(api.url).toMatch(/^http:\/\/\[::1\]:\d+$/);
  expect((await api.register('http://127.0.0.1:1/x')).streamUrl).toMatch(/^http:\/\/\[::1\]:\d+\/stream\//);
});

test('under a wildcard address, streams are where the client found the daemon', async () => {
  const api = await apiServer({ host: '0.0.0.0', token: 'secret' });
  expect(api.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  const { port } = new URL(api.url);
  const headers = { authorization: 'Bearer secret', host: `localhost:${port}` };
  const answer = await send(`${api.url}/api/v1/entries`, { method: 'POST', headers, body: { url: 'http://127.0.0.1:1/x' } });
  expect(answer.json.streamUrl).toContain(`http://localhost:${port}/stream/url/`);
});

test('the public URL is the base of stream URLs, for clients and for other processes', async () => {
  const api = await apiServer({ publicUrl: 'https://films.example.com/seekwell/' });
  expect((await api.register('http://127.0.0.1:1/x')).streamUrl).toMatch(/^https:\/\/films\.example\.com\/seekwell\/stream\/url\//);
  expect(await api.cache.servedAt()).toBe('https://films.example.com/seekwell');
});

test('other processes learn where it listens, until it closes', async () => {
  const api = await apiServer();
  expect(await api.cache.servedAt()).toBe(api.url);
  expect((await api.cache.add({ url: 'http://127.0.0.1:1/x' })).url()).toMatch(new RegExp(`^${api.url}/stream/url/`));
  await api.server.close(null);
  expect(await api.cache.servedAt()).toBeNull();
  await expect(send(api.url)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test('a second close is as the first', async () => {
  const api = await apiServer();
  await Promise.all([api.server.close(null), api.server.close(null), api.server.close(1000)]);
});

/** A stream that stands still after its first bytes, on a connection that would be kept. */
async function openStream(api: Awaited<ReturnType<typeof apiServer>>): Promise<{ response: IncomingMessage; release: () => void }> {
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: MIB, fault: { kind: 'stall', after: 1000 } });
  const { streamUrl } = await api.register(film.url);
  const agent = new Agent({ keepAlive: true });
  afterThisTest(() => agent.destroy());
  const response = await new Promise<IncomingMessage>((resolve, reject) => get(streamUrl, { agent }, resolve).on('error', reject));
  return { response, release: () => film.release() };
}

async function bytesOf(response: IncomingMessage): Promise<number> {
  let bytes = 0;
  for await (const chunk of response) bytes += (chunk as Buffer).length;
  return bytes;
}

test('closing lets a stream go on to its end, and takes nothing new', async () => {
  const api = await apiServer();
  const { response, release } = await openStream(api);
  const closed = api.server.close(60_000);
  await expect(send(`${api.url}/health/live`)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  release();
  expect(await bytesOf(response)).toBe(MIB);
  await closed;
});

test('closing ends a stream that does not end in time', async () => {
  const api = await apiServer();
  const { response } = await openStream(api);
  const closed = api.server.close(10);
  await expect(bytesOf(response)).rejects.toMatchObject({ code: 'ECONNRESET' });
  await closed;
});

test('closing without a drain ends streams at once, even while another close drains', async () => {
  const api = await apiServer();
  const { response } = await openStream(api);
  const draining = api.server.close(60_000);
  const ended = expect(bytesOf(response)).rejects.toMatchObject({ code: 'ECONNRESET' });
  await api.server.close(null);
  await draining;
  await ended;
});

test('an idle kept connection does not hold up the closing', async () => {
  const api = await apiServer();
  const agent = new Agent({ keepAlive: true });
  afterThisTest(() => agent.destroy());
  const response = await new Promise<IncomingMessage>((resolve) => get(`${api.url}/health/live`, { agent }, resolve));
  await bytesOf(response);
  await api.server.close(60_000);
});
