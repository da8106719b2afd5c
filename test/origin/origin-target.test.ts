import { describe, expect, it } from 'vitest';
import { redirectedTarget, targetOf } from '#seekwell/origin/origin-target';

function failureOf(run: () => unknown): { code: string; message: string } {
  try {
    run();
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error('it did not fail');
}

const SECRETS = {
  Authorization: 'Bearer s3cret',
  Cookie: 'sid=s3cret',
  'X-Token': 's3cret',
  Host: 'cdn.example',
  Referer: 'http://s3cret/',
};
const HARMLESS = { 'User-Agent': 'player/1', Accept: 'video/*', 'Accept-Language': 'de' };

describe('targetOf', () => {
  it('passes headers on by lower-case name and keeps query and path', () => {
    const target = targetOf({ url: 'http://example.com/a%20b?sig=1', headers: { ...SECRETS, ...HARMLESS } });
    expect(target.url.href).toBe('http://example.com/a%20b?sig=1');
    expect(Object.keys(target.headers).sort()).toEqual([
      'accept',
      'accept-language',
      'authorization',
      'cookie',
      'host',
      'referer',
      'user-agent',
      'x-token',
    ]);
  });

  it('leaves out what is its own to say', () => {
    const headers = {
      Range: 'bytes=0-1',
      'If-Range': '"x"',
      'If-None-Match': '*',
      'Accept-Encoding': 'br',
      Connection: 'close',
      TE: 'trailers',
    };
    expect(targetOf({ url: 'http://example.com/', headers }).headers).toEqual({});
  });

  it('makes user and password a header and takes them out of the URL', () => {
    const target = targetOf({ url: 'http://u%40x:p%3Aw@example.com/f?q=1', headers: {} });
    expect(target.url.href).toBe('http://example.com/f?q=1');
    expect(target.headers).toEqual({ authorization: `Basic ${Buffer.from('u@x:p:w').toString('base64')}` });
  });

  it('takes a user whose escapes are broken as it stands', () => {
    const { headers } = targetOf({ url: 'http://100%@example.com/', headers: {} });
    expect(headers).toEqual({ authorization: `Basic ${Buffer.from('100%:').toString('base64')}` });
  });

  it('prefers an Authorization header that was given', () => {
    expect(targetOf({ url: 'http://u:p@example.com/', headers: { AUTHORIZATION: 'Bearer x' } }).headers).toEqual({
      authorization: 'Bearer x',
    });
  });

  it.each(['', 'film.mkv', '/film.mkv', 'ftp://s3cret@example.com/', 'file:///etc/passwd', 'http://'])(
    'refuses the URL %j without showing it',
    (url) => {
      const error = failureOf(() => targetOf({ url, headers: {} }));
      expect(error.code).toBe('BAD_URL');
      expect(error.message).not.toContain('s3cret');
    },
  );

  it.each([{ 'x-a': 's3cret\r\nx-b: 1' }, { 'x-a': 's3cret\u0000' }, { 'x-a': 's3cret\u20ac' }, { 'x a': 's3cret' }, { '': 's3cret' }])(
    'refuses the header %j without showing its value',
    (headers) => {
      const error = failureOf(() => targetOf({ url: 'http://example.com/', headers: headers as Record<string, string> }));
      expect(error.code).toBe('BAD_OPTION');
      expect(error.message).not.toContain('s3cret');
    },
  );
});

describe('redirectedTarget', () => {
  const from = targetOf({ url: 'http://user:pw@example.com/dir/film.mkv?sig=1', headers: { ...SECRETS, ...HARMLESS } });

  it.each([
    ['other.mkv?x', 'http://example.com/dir/other.mkv?x'],
    ['/other.mkv', 'http://example.com/other.mkv'],
    ['?sig=2', 'http://example.com/dir/film.mkv?sig=2'],
    ['http://example.com:80/other.mkv', 'http://example.com/other.mkv'],
    ['//example.com/other.mkv', 'http://example.com/other.mkv'],
  ])('keeps everything on the way to %j, which is the same origin', (location, href) => {
    const target = redirectedTarget(from, location);
    expect(target?.url.href).toBe(href);
    expect(target?.headers).toEqual(from.headers);
  });

  it.each([
    'https://example.com/f',
    'http://example.com:8080/f',
    'http://www.example.com/f',
    '//cdn.example/f',
    'http://example.com.evil.example/f',
  ])('takes only harmless headers along to %j, which is another', (location) => {
    expect(redirectedTarget(from, location)?.headers).toEqual({ 'user-agent': 'player/1', accept: 'video/*', 'accept-language': 'de' });
  });

  it('does not take up again what it left behind when it comes back', () => {
    const away = redirectedTarget(from, 'http://elsewhere.example/');
    const back = away === null ? null : redirectedTarget(away, 'http://example.com/dir/film.mkv');
    expect(back?.url.href).toBe('http://example.com/dir/film.mkv');
    expect(Object.keys(back?.headers ?? {}).sort()).toEqual(['accept', 'accept-language', 'user-agent']);
  });

  it('uses the user and password of the redirect itself, there only', () => {
    const target = redirectedTarget(from, 'http://u:p@elsewhere.example/f');
    expect(target?.url.href).toBe('http://elsewhere.example/f');
    expect(target?.headers.authorization).toBe(`Basic ${Buffer.from('u:p').toString('base64')}`);
    const next = target === null ? null : redirectedTarget(target, 'http://third.example/');
    expect(next?.headers.authorization).toBeUndefined();
  });

  it('reads a location beyond ASCII as UTF-8', () => {
    const wire = Buffer.from('/filmé.mkv', 'utf8').toString('latin1');
    expect(redirectedTarget(from, wire)?.url.href).toBe('http://example.com/film%C3%A9.mkv');
  });

  it.each(['ftp://example.com/f', 'javascript:alert(1)', 'file:///etc/passwd', 'http://'])('does not follow %j', (location) => {
    expect(redirectedTarget(from, location)).toBeNull();
  });
});
