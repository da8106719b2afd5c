import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import { apiServer } from './api-server.ts';

const MIB = 1024 * 1024;

/** The samples of a metrics page, by name and labels. */
function samplesOf(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]));
}

test('stats and metrics tell what the cache holds and what passed through it', async () => {
  const api = await apiServer({ cacheOptions: { maxSize: '1GB' } });
  const origin = await ScriptedOrigin.start();
  const entry = await api.register(origin.add('/film.mkv', { size: MIB }).url);
  for (let time = 0; time < 2; time++) await (await fetch(entry.streamUrl)).arrayBuffer();
  await (await api.cache.get(entry.id))?.prefetch();

  const stats = (await api.call('GET', '/api/v1/stats')).json;
  expect(stats).toStrictEqual({
    entries: 1,
    cacheBytes: MIB,
    reservedBytes: 0,
    trashBytes: 0,
    quotaBytes: 1_000_000_000,
    hitBytes: expect.any(Number),
    missBytes: expect.any(Number),
    originBytes: MIB,
    activeFetches: expect.any(Number),
    activeStreams: 0,
  });
  expect(stats.hitBytes + stats.missBytes).toBe(2 * MIB);

  const { text, headers } = await api.call('GET', '/metrics');
  expect(headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  const samples = samplesOf(text);
  expect(samples.get('seekwell_entries')).toBe(1);
  expect(samples.get('seekwell_cache_bytes')).toBe(MIB);
  expect(samples.get('seekwell_cache_quota_bytes')).toBe(1_000_000_000);
  expect(samples.get('seekwell_served_bytes_total{from="cache"}')).toBe(stats.hitBytes);
  expect(samples.get('seekwell_served_bytes_total{from="origin"}')).toBe(stats.missBytes);
  expect(samples.get('seekwell_origin_bytes_total')).toBe(MIB);
  expect(samples.get('process_resident_memory_bytes')).toBeGreaterThan(10 * MIB);
  for (const [name, value] of samples) expect([name, Number.isFinite(value)]).toStrictEqual([name, true]);
});

test('metrics are in the format that Prometheus reads', async () => {
  const { text } = await (await apiServer()).call('GET', '/metrics');
  expect(text.endsWith('\n')).toBe(true);
  for (const line of text.trimEnd().split('\n')) {
    expect(line).toMatch(/^# HELP \w+ .+$|^# TYPE \w+ (?:gauge|counter)$|^\w+(?:\{\w+="\w+"\})? \d+(?:\.\d+)?(?:e[+-]?\d+)?$/);
  }
  expect(text).not.toMatch(/^seekwell_cache_quota_bytes /m);
});

test('an open stream is counted', async () => {
  const api = await apiServer();
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: MIB, fault: { kind: 'stall', after: 1000 } });
  const response = await fetch((await api.register(film.url)).streamUrl);
  expect((await api.call('GET', '/api/v1/stats')).json).toMatchObject({ activeStreams: 1 });
  await response.body?.cancel();
});

test('health', async () => {
  const api = await apiServer();
  for (const path of ['/health/live', '/health/ready']) {
    const answer = await api.call('GET', path);
    expect([answer.status, answer.json]).toStrictEqual([200, { status: 'ok' }]);
  }
});

test('the front page runs and loads nothing but what is in it', async () => {
  const { status, text, headers } = await (await apiServer()).call('GET', '/');
  expect(status).toBe(200);
  expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
  const policy = headers.get('content-security-policy') ?? '';
  for (const tag of ['script', 'style']) {
    const [, content = ''] = new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`).exec(text) ?? [];
    expect(policy).toContain(`${tag}-src 'sha256-${createHash('sha256').update(content).digest('base64')}'`);
    expect(text.match(new RegExp(`<${tag}`, 'g'))).toHaveLength(1);
  }
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain('unsafe');
  expect(text).not.toMatch(/\son\w+=|style="|src=|https?:\/\/(?!example\.com|www\.w3\.org)/);
});

test('the script of the front page is valid', async () => {
  const { text } = await (await apiServer()).call('GET', '/');
  const [, script = ''] = /<script>([\s\S]*?)<\/script>/.exec(text) ?? [];
  expect(script).not.toBe('');
  expect(() => new Function(script)).not.toThrow();
});
