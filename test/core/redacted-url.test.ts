import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { redactedUrl } from '#seekwell/core/redacted-url';

/** Unlike anything that a host or a path of these tests holds. */
const secret = fc.stringMatching(/^[a-z0-9]{6,20}$/).map((word) => `s3cr3t-${word}`);

describe('redactedUrl', () => {
  test.each([
    ['https://films.example/a/b.mkv', 'https://films.example/a/b.mkv'],
    ['https://films.example:8443/a%20b.mkv', 'https://films.example:8443/a%20b.mkv'],
    ['https://films.example/b.mkv?token=abc&expires=1', 'https://films.example/b.mkv'],
    ['https://films.example/b.mkv#t=10', 'https://films.example/b.mkv'],
    ['https://ann:pass@films.example/b.mkv', 'https://films.example/b.mkv'],
    ['http://token@films.example', 'http://films.example/'],
    ['http://[::1]:8080/b.mkv?x', 'http://[::1]:8080/b.mkv'],
  ])('%s is shown as %s', (url, shown) => {
    expect(redactedUrl(url)).toBe(shown);
  });

  test.each(['', 'films.example/b.mkv?token=abc', '/b.mkv?token=abc', 'http://', 'https://exa mple/?token=abc'])(
    '%j is no URL and is not shown at all',
    (text) => {
      expect(redactedUrl(text)).toBe('(not a URL)');
    },
  );

  test('never shows user, password, query or fragment, whatever they hold', () => {
    fc.assert(
      fc.property(fc.webUrl(), secret, secret, secret, secret, (base, user, password, query, fragment) => {
        const url = new URL(base);
        url.username = user;
        url.password = password;
        url.search = query;
        url.hash = fragment;
        const shown = redactedUrl(url.href);
        expect(shown).not.toContain('s3cr3t-');
        expect(shown).toBe(new URL(base).origin + new URL(base).pathname);
      }),
    );
  });
});
