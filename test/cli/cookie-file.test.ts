import { describe, expect, test } from 'vitest';
import { cookieHeader, parseCookies } from '#seekwell/cli/cookie-file';

const NOW = Date.UTC(2026, 0, 31);

/** A file of one cookie: domain, whether subdomains too, path, secure, expiry in seconds, name, value. */
function cookies(...lines: string[][]): NonNullable<ReturnType<typeof parseCookies>> {
  const parsed = parseCookies(`# Netscape HTTP Cookie File\n\n${lines.map((fields) => fields.join('\t')).join('\r\n')}\n`);
  if (parsed === null) throw new Error('not a cookie file');
  return parsed;
}

function sent(url: string, ...lines: string[][]): string | null {
  return cookieHeader(cookies(...lines), new URL(url), NOW);
}

describe('a cookie goes along', () => {
  test('with requests for its host only', () => {
    const line = ['example.org', 'FALSE', '/', 'FALSE', '0', 'a', '1'];
    expect(sent('http://example.org/film.mkv', line)).toBe('a=1');
    expect(sent('http://EXAMPLE.org/film.mkv', line)).toBe('a=1');
    expect(sent('http://media.example.org/film.mkv', line)).toBeNull();
    expect(sent('http://example.org.evil.net/film.mkv', line)).toBeNull();
  });

  test('with those for subdomains where it says so', () => {
    const line = ['.example.org', 'TRUE', '/', 'FALSE', '0', 'a', '1'];
    expect(sent('http://example.org/', line)).toBe('a=1');
    expect(sent('http://a.b.example.org/', line)).toBe('a=1');
    expect(sent('http://badexample.org/', line)).toBeNull();
  });

  test('below its path, part by part', () => {
    const line = ['example.org', 'FALSE', '/films', 'FALSE', '0', 'a', '1'];
    expect(sent('http://example.org/films', line)).toBe('a=1');
    expect(sent('http://example.org/films/1', line)).toBe('a=1');
    expect(sent('http://example.org/films2', line)).toBeNull();
    expect(sent('http://example.org/', line)).toBeNull();
  });

  test('over https only where it is secure', () => {
    const line = ['example.org', 'FALSE', '/', 'TRUE', '0', 'a', '1'];
    expect(sent('http://example.org/', line)).toBeNull();
    expect(sent('https://example.org/', line)).toBe('a=1');
  });

  test('until it expires', () => {
    const at = (seconds: number): string[] => ['example.org', 'FALSE', '/', 'FALSE', String(NOW / 1_000 + seconds), 'a', '1'];
    expect(sent('http://example.org/', at(1))).toBe('a=1');
    expect(sent('http://example.org/', at(0))).toBeNull();
  });

  test('also when scripts of pages may not see it', () => {
    expect(sent('http://example.org/', ['#HttpOnly_example.org', 'FALSE', '/', 'FALSE', '0', 'a', '1'])).toBe('a=1');
  });

  test('after those of longer paths', () => {
    const [short, long] = ['/', '/films/'].map((path) => ['example.org', 'FALSE', path, 'FALSE', '0', path.length > 1 ? 'b' : 'a', '1']);
    expect(sent('http://example.org/films/1', short ?? [], long ?? [])).toBe('b=1; a=1');
  });
});

describe('a cookie file', () => {
  test('may be empty', () => {
    expect(parseCookies('# Netscape HTTP Cookie File\n')).toEqual([]);
  });

  test('is not just any file', () => {
    expect(parseCookies('<html>\n')).toBeNull();
    expect(parseCookies('a=1; b=2\n')).toBeNull();
  });

  test('may hold cookies without a value', () => {
    expect(parseCookies('example.org\tFALSE\t/\tFALSE\t0\ta')).toMatchObject([{ name: 'a', value: '' }]);
  });
});
