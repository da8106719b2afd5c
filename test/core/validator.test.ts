import { describe, expect, it } from 'vitest';
import { type Description, ifRangeOf, sameVersion, strongEtag } from '#seekwell/core/validator';

function version(etag: string | null, lastModified: string | null, total: number | null): Description {
  return { validator: { etag, lastModified }, total, mimeType: null };
}

describe('strongEtag', () => {
  it.each(['"a"', '""', '"a-b:c"', '"\xe9"', '"W/\'x\'"'])('keeps %j', (etag) => {
    expect(strongEtag(etag)).toBe(etag);
  });

  it.each([null, undefined, '', 'a', 'W/"a"', 'w/"a"', '"a', 'a"', '"a b"', '"a", "b"', '"a"b"', ' "a"', '"\u0001"', '"\u20ac"'])(
    'drops %j',
    (etag) => {
      expect(strongEtag(etag)).toBeNull();
    },
  );
});

describe('ifRangeOf', () => {
  it.each([
    ['"a"', 'date', '"a"'],
    ['"a"', null, '"a"'],
    [null, 'date', 'date'],
    [null, null, null],
  ])('of tag %j and date %j is %j', (etag, lastModified, header) => {
    expect(ifRangeOf({ etag, lastModified })).toBe(header);
  });
});

describe('sameVersion', () => {
  it.each<[string, Description, Description, boolean]>([
    ['equal tags', version('"a"', null, 10), version('"a"', null, 10), true],
    ['equal tags, other dates', version('"a"', 'x', 10), version('"a"', 'y', 10), true],
    ['other tags', version('"a"', null, 10), version('"b"', null, 10), false],
    ['other tags, equal dates', version('"a"', 'x', 10), version('"b"', 'x', 10), false],
    ['equal tags, other lengths', version('"a"', null, 10), version('"a"', null, 11), false],
    ['a tag on one side, equal dates', version('"a"', 'x', 10), version(null, 'x', 10), true],
    ['a tag on one side, other dates', version('"a"', 'x', 10), version(null, 'y', 10), false],
    ['a tag on the other side, other dates', version(null, 'x', 10), version('"a"', 'y', 10), false],
    ['other dates', version(null, 'x', 10), version(null, 'y', 10), false],
    ['equal dates, other lengths', version(null, 'x', 10), version(null, 'x', 11), false],
    ['nothing but equal lengths', version(null, null, 10), version(null, null, 10), true],
    ['nothing but other lengths', version(null, null, 10), version(null, null, 11), false],
    ['nothing to compare but other lengths', version('"a"', null, 10), version(null, 'x', 11), false],
    ['a length on one side', version(null, null, 10), version(null, null, null), true],
    ['a length on the other side', version(null, null, null), version(null, null, 10), true],
    ['nothing at all', version(null, null, null), version(null, null, null), true],
    ['the lengths 0 and 1', version(null, null, 0), version(null, null, 1), false],
  ])('with %s', (_, known, answer, same) => {
    expect(sameVersion(known, answer)).toBe(same);
  });

  it('does not look at the media type', () => {
    expect(sameVersion(version('"a"', null, 1), { ...version('"a"', null, 1), mimeType: 'video/mp4' })).toBe(true);
  });
});
