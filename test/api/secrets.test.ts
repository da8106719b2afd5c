import { expect, test } from 'vitest';
import type { Logger } from '#seekwell/logger';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import { apiServer } from './api-server.ts';
import { EventReader } from './event-reader.ts';

/** In every place of a registration where something may be secret; encoded too, as a URL may hold it. */
const SECRET = 'hunter2';
const SECRETS = new RegExp(`${SECRET}|${Buffer.from(`me:${SECRET}`).toString('base64')}`);

test.each(['a film that is there', 'a film that is missing', 'an origin that cannot be reached'])(
  '%s: secrets stay secret',
  async (what) => {
    const logged: string[] = [];
    const log = (fields: object, message: string) => logged.push(`${JSON.stringify(fields)} ${message}`);
    const logger: Logger = { debug: log, info: log, warn: log, error: log };
    const api = await apiServer({ logger, cacheOptions: { logger } });
    const origin = await ScriptedOrigin.start();
    origin.add('/film.mkv', { size: 1000, status: what === 'a film that is missing' ? 404 : null });
    const port = what === 'an origin that cannot be reached' ? 1 : origin.port;
    const url = `http://me:${SECRET}@127.0.0.1:${port}/film.mkv?token=${SECRET}#${SECRET}`;
    const events = await EventReader.open(`${api.url}/api/v1/events`);
    const seen: string[] = [];
    const see = async (method: string, path: string, body?: unknown) => {
      const answer = await api.call(method, path, body);
      seen.push(JSON.stringify([...answer.headers]), answer.text);
      return answer;
    };

    const body = { url, headers: { Cookie: `session=${SECRET}`, 'X-Key': SECRET } };
    const { json: entry } = await see('POST', '/api/v1/entries', body);
    expect(entry.url).toBe(`http://127.0.0.1:${port}/film.mkv`);
    await see('POST', '/api/v1/entries', body);
    await see('POST', '/api/v1/entries', { ...body, pinned: SECRET });
    await see('POST', '/api/v1/entries', { ...body, headers: { [`Cookie: ${SECRET}`]: SECRET, Cookie: `${SECRET}\n` } });
    await see('POST', '/api/v1/entries', { ...body, url: `ftp://me:${SECRET}@127.0.0.1/` });
    await see('POST', '/api/v1/entries', `{"url": "${url}`);
    await see('GET', new URL(entry.streamUrl).pathname);
    for (const action of ['prefetch', 'pause', 'resume', 'retry', 'pin', 'unpin'])
      await see('POST', `/api/v1/entries/${entry.id}/${action}`);
    for (const path of ['', `/${entry.id}`, `/${entry.id}/ranges`, `?q=${SECRET}`, '?q=film', `?cursor=${SECRET}`, `?state=${SECRET}`]) {
      await see('GET', `/api/v1/entries${path}`);
    }
    for (const path of ['/', '/api/docs', '/api/openapi.json', '/api/v1/stats', '/metrics', '/health/ready']) await see('GET', path);
    await see('DELETE', `/api/v1/entries/${entry.id}`);
    await events.until(({ type }) => type === 'entryRemoved');
    await events.close();

    expect(seen.length).toBeGreaterThan(40);
    for (const text of [...seen, ...logged, events.text]) expect(text).not.toMatch(SECRETS);
  },
);
