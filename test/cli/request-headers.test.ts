import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type HeaderFlags, requestHeaders } from '#seekwell/cli/request-headers';
import { temporaryFolder } from '../support/temp-folder.ts';

const headers = (flags: HeaderFlags): Promise<Record<string, string> | undefined> =>
  requestHeaders(flags, new URL('http://example.org/film.mkv'), Date.UTC(2026, 0, 31));

describe('headers for the origin', () => {
  test('are undefined where nothing was said of them', async () => {
    expect(await headers({})).toBeUndefined();
  });

  test.each([
    ['X-Key: abc', { 'X-Key': 'abc' }],
    ['X-Key:abc', { 'X-Key': 'abc' }],
    ['X-Key:  a: b; c  ', { 'X-Key': 'a: b; c' }],
    ['X-Key;', { 'X-Key': '' }],
  ])('-H %j', async (line, expected) => {
    expect(await headers({ header: [line] })).toEqual(expected);
  });

  test.each(['geheim', 'Geheim Key: geheim', ': geheim', 'X-Key:', 'X-Key: ge\nheim: x', 'X-Key: geheim\u2026', ''])(
    '-H %j is refused',
    async (line) => {
      const refusal = (await headers({ header: [line] }).catch((error: Error) => error)) as Error;
      expect(refusal).toMatchObject({ code: 'BAD_OPTION' });
      // What was meant as a value is a secret.
      expect(refusal.message).not.toContain('geheim');
    },
  );

  test('of the same name become one', async () => {
    expect(await headers({ header: ['X-Key: a', 'x-key: b'] })).toEqual({ 'x-key': 'a, b' });
    expect(await headers({ header: ['Cookie: a=1', 'Cookie: b=2'] })).toEqual({ Cookie: 'a=1; b=2' });
  });

  test('--user becomes Basic, in UTF-8', async () => {
    expect(await headers({ user: 'me:pä:ss' })).toEqual({ Authorization: `Basic ${Buffer.from('me:pä:ss').toString('base64')}` });
  });

  test('--user wants a password', async () => {
    await expect(headers({ user: 'me' })).rejects.toMatchObject({ code: 'BAD_OPTION' });
  });

  test('-H goes before what is made up from other options', async () => {
    expect(await headers({ user: 'me:pw', referer: 'http://a/', header: ['authorization: Bearer x', 'Referer: http://b/'] })).toEqual({
      authorization: 'Bearer x',
      Referer: 'http://b/',
    });
  });

  test('--cookies sends those that fit', async () => {
    const file = join(await temporaryFolder(), 'cookies.txt');
    const line = (domain: string, name: string): string => [domain, 'FALSE', '/', 'FALSE', '0', name, '1'].join('\t');
    await writeFile(file, [line('example.org', 'a'), line('other.org', 'b')].join('\n'));
    expect(await headers({ cookies: file })).toEqual({ Cookie: 'a=1' });
  });

  test('--cookies wants a cookie file', async () => {
    const folder = await temporaryFolder();
    await expect(headers({ cookies: join(folder, 'none') })).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining('ENOENT'),
    });
    await writeFile(join(folder, 'page'), '<html>');
    await expect(headers({ cookies: join(folder, 'page') })).rejects.toMatchObject({ code: 'BAD_OPTION' });
  });
});
