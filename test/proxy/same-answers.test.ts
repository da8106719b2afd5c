import { expect, test } from 'vitest';
import { apiServer } from '../api/api-server.ts';
import { type RawAnswer, RawClient } from '../support/raw-client.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import type { ScriptedResource } from '../support/scripted-resource.ts';

const SIZE = 300_000;

interface Ask {
  readonly path?: 'film' | 'endless' | 'endless-ranged' | 'empty' | 'odd' | 'gone' | 'nowhere' | 'malformed';
  readonly lines?: (film: { readonly etag: string; readonly lastModified: string }) => readonly string[];
  /** Of the answer. */
  readonly status: number;
}

const ASKS: Readonly<Record<string, Ask>> = {
  whole: { status: 200 },
  'a range': { lines: () => ['Range: bytes=100-199'], status: 206 },
  'a range to the end': { lines: () => [`Range: bytes=${SIZE - 10}-`], status: 206 },
  'the last byte and beyond': { lines: () => [`Range: bytes=${SIZE - 1}-${SIZE + 5}`], status: 206 },
  'a suffix': { lines: () => ['Range: bytes=-1000'], status: 206 },
  'a suffix longer than all': { lines: () => [`Range: bytes=-${SIZE + 1}`], status: 206 },
  'a range behind the end': { lines: () => [`Range: bytes=${SIZE}-`], status: 416 },
  'an empty suffix': { lines: () => ['Range: bytes=-0'], status: 416 },
  'several ranges': { lines: () => ['Range: bytes=0-1,5-6'], status: 200 },
  'a Range that is none': { lines: () => ['Range: lines=1-2'], status: 200 },
  'If-Range that holds': { lines: ({ etag }) => ['Range: bytes=5-9', `If-Range: ${etag}`], status: 206 },
  'If-Range by date': { lines: ({ lastModified }) => ['Range: bytes=5-9', `If-Range: ${lastModified}`], status: 206 },
  'If-Range of another version': { lines: () => ['Range: bytes=5-9', 'If-Range: "other"'], status: 200 },
  'If-None-Match': { lines: ({ etag }) => [`If-None-Match: ${etag}`], status: 304 },
  'If-None-Match of another version': { lines: () => ['If-None-Match: "other"'], status: 200 },
  'If-Modified-Since': { lines: ({ lastModified }) => [`If-Modified-Since: ${lastModified}`], status: 304 },
  'If-Match of another version': { lines: () => ['If-Match: "other"'], status: 412 },
  'no known length': { path: 'endless', status: 200 },
  'a range of no known length': { path: 'endless-ranged', lines: () => ['Range: bytes=5-9'], status: 200 },
  'nothing in it': { path: 'empty', status: 200 },
  'a range of nothing': { path: 'empty', lines: () => ['Range: bytes=0-'], status: 416 },
  'odd characters in what the origin says': { path: 'odd', status: 200 },
  'gone at the origin': { path: 'gone', status: 404 },
  'no such entry': { path: 'nowhere', status: 404 },
  'a path that names nothing': { path: 'malformed', status: 404 },
};

/** The answer without what may differ: the time, and what each says of its connection. */
function comparable({ statusLine, headers, body }: RawAnswer): unknown {
  const { date, connection, 'keep-alive': keepAlive, ...others } = headers;
  expect(Date.parse(date ?? '')).not.toBeNaN();
  return { statusLine, headers: others, body: body.toString('latin1') };
}

test('a request has the same answer on its socket and through node:http', async () => {
  const origin = await ScriptedOrigin.start();
  const { url, cache } = await apiServer();
  const film = origin.add('/film.mkv', { size: SIZE });
  const resources: Record<string, ScriptedResource> = {
    film,
    empty: origin.add('/empty.srt', { size: 0 }),
    odd: origin.add('/odd.mp4', { size: 10, headers: { 'content-language': '\xe2\x9c\x93', 'content-type': 'video/\xe2\x9c\x93' } }),
    gone: origin.add('/gone.mp4', { size: 10, status: 404 }),
  };
  // The first answer tells their length to the second: each transport has a copy of its own.
  const endless = { size: 200_000, seed: 7, ranges: false, lengthKnown: false } as const;
  for (const copy of ['endless', 'endless-ranged'].flatMap((name) => [`${name}-plain`, `${name}-node`]))
    resources[copy] = origin.add(`/${copy}.ts`, endless);
  const paths: Record<string, string> = { nowhere: '/stream/url/nowhere/original', malformed: '/stream/%ff/b/c' };
  for (const [media, resource] of Object.entries(resources)) {
    await cache.add({ url: resource.url, media, filename: 'film.ts', fill: false });
    paths[media] = `/stream/url/${media}/original`;
  }
  const [plain, viaNode] = [await RawClient.connect(url), await RawClient.connect(url)];
  for (const path of ['film', 'empty', 'odd']) {
    plain.get(paths[path] as string);
    await plain.answer();
  }
  for (const [what, { path = 'film', lines, status }] of Object.entries(ASKS)) {
    plain.get((paths[`${path}-plain`] ?? paths[path]) as string, ...(lines?.(film) ?? []));
    viaNode.get((paths[`${path}-node`] ?? paths[path]) as string, ...(lines?.(film) ?? []), 'TE: trailers');
    const [own, theirs] = [await plain.answer(), await viaNode.answer()];
    expect(own.status, what).toBe(status);
    expect(comparable(own), what).toEqual(comparable(theirs));
    expect(own.headers.connection, what).toBe('keep-alive');
    expect(own.headers['keep-alive'], what).toBe(theirs.headers['keep-alive']);
  }
});
