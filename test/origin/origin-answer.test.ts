import { describe, expect, it } from 'vitest';
import type { RangeSpec } from '#seekwell/core/http-range';
import type { Description } from '#seekwell/core/validator';
import { type AnswerHeaders, type AnswerMeaning, meaningOf, relayedHeadersOf } from '#seekwell/origin/origin-answer';

const NOW = Date.UTC(2026, 0, 1);
const ETAG = '"v1"';
const DATE = 'Wed, 01 Jan 2025 00:00:00 GMT';

function from(start: number, end: number | null = null): RangeSpec {
  return { kind: 'from', start, end };
}

function suffix(length: number): RangeSpec {
  return { kind: 'suffix', length };
}

function version(more: { etag?: string | null; lastModified?: string | null; total?: number | null } = {}): Description {
  const { etag = ETAG, lastModified = null, total = 1000 } = more;
  return { validator: { etag, lastModified }, total, mimeType: 'video/mp4' };
}

interface Case {
  range?: RangeSpec | null;
  expected?: Description | null;
  status: number;
  headers?: AnswerHeaders;
}

function ask({ range = from(0), expected = null, status, headers = {} }: Case): AnswerMeaning {
  return meaningOf({ range, expected }, { status, headers }, NOW);
}

/** The kind, with the error's code where there is one. */
function kindOf(meaning: AnswerMeaning): string {
  return 'error' in meaning ? `${meaning.kind} ${meaning.error.code}` : meaning.kind;
}

describe('a 206', () => {
  it('is taken with its place, version and headers', () => {
    const headers = {
      'content-range': 'bytes 100-199/1000',
      'content-length': '100',
      'content-type': 'video/x-matroska; codecs="av1"',
      'content-disposition': 'inline; filename="f.mkv"',
      'content-language': 'de',
      'cache-control': 'max-age=60',
      'set-cookie': ['sid=1', 'x=2'],
      'x-request-id': '7',
      etag: ETAG,
      'last-modified': DATE,
    };
    expect(ask({ range: from(100, 199), status: 206, headers })).toEqual({
      kind: 'bytes',
      start: 100,
      end: 199,
      rangesRefused: false,
      description: { validator: { etag: ETAG, lastModified: DATE }, total: 1000, mimeType: 'video/x-matroska; codecs="av1"' },
      headers: { 'content-disposition': 'inline; filename="f.mkv"', 'content-language': 'de', 'cache-control': 'max-age=60' },
    });
  });

  it.each<[string, RangeSpec | null, string, number, number]>([
    ['the rest', from(100), 'bytes 100-999/1000', 100, 999],
    ['a rest of unknown total', from(100), 'bytes 100-999/*', 100, 999],
    ['a piece clamped to the end', from(900, 1999), 'bytes 900-999/1000', 900, 999],
    ['a piece the server made shorter', from(0, 499), 'bytes 0-99/1000', 0, 99],
    ['a rest the server made shorter', from(0), 'bytes 0-99/1000', 0, 99],
    ['a suffix', suffix(10), 'bytes 990-999/1000', 990, 999],
    ['a suffix longer than the resource', suffix(2000), 'bytes 0-999/1000', 0, 999],
    ['a suffix the server made shorter', suffix(100), 'bytes 900-949/1000', 900, 949],
    ['everything, though no range was asked', null, 'bytes 0-999/1000', 0, 999],
  ])('may be %s', (_, range, contentRange, start, end) => {
    const meaning = ask({ range, status: 206, headers: { 'content-range': contentRange, 'content-length': String(end - start + 1) } });
    expect(meaning).toMatchObject({ kind: 'bytes', start, end, rangesRefused: false });
  });

  it.each<[string, RangeSpec | null, AnswerHeaders]>([
    ['has no Content-Range', from(0), {}],
    ['has a malformed Content-Range', from(0), { 'content-range': 'bytes 0-99' }],
    ['has an end beyond the total', from(0), { 'content-range': 'bytes 0-1000/1000' }],
    ['has a backward range', from(5), { 'content-range': 'bytes 5-4/1000' }],
    ['has another unit', from(0), { 'content-range': 'items 0-99/1000' }],
    ['has an unsatisfied range', from(0), { 'content-range': 'bytes */1000' }],
    ['has two Content-Ranges', from(0), { 'content-range': ['bytes 0-99/1000', 'bytes 0-98/1000'] }],
    ['begins too late', from(100), { 'content-range': 'bytes 101-999/1000' }],
    ['begins too early', from(100), { 'content-range': 'bytes 0-999/1000' }],
    ['ends beyond what was asked', from(100, 199), { 'content-range': 'bytes 100-200/1000' }],
    ['has a suffix at the wrong place', suffix(10), { 'content-range': 'bytes 989-999/1000' }],
    ['has a suffix that begins too late', suffix(10), { 'content-range': 'bytes 991-999/1000' }],
    ['has a suffix of an unknown total that might be all', suffix(10), { 'content-range': 'bytes 0-9/*' }],
    ['has a suffix of an unknown total', suffix(10), { 'content-range': 'bytes 990-999/*' }],
    ['begins inside, though no range was asked', null, { 'content-range': 'bytes 1-999/1000' }],
    ['is shorter than its range', from(0), { 'content-range': 'bytes 0-999/1000', 'content-length': '999' }],
    ['is longer than its range', from(0), { 'content-range': 'bytes 0-999/1000', 'content-length': '1001' }],
    ['has several parts', from(0), { 'content-type': 'multipart/byteranges; boundary=x', 'content-range': 'bytes 0-999/1000' }],
  ])('is wrong when it %s', (_, range, headers) => {
    const meaning = ask({ range, status: 206, headers });
    expect(kindOf(meaning)).toBe('transient ORIGIN_WRONG');
    expect(meaning).toMatchObject({ retryAfterMs: null });
  });

  it.each<[string, Description, AnswerHeaders, string]>([
    ['the same tag', version(), { etag: ETAG, 'content-range': 'bytes 0-999/1000' }, 'bytes'],
    ['another tag', version(), { etag: '"v2"', 'content-range': 'bytes 0-999/1000' }, 'changed'],
    ['another total', version(), { etag: ETAG, 'content-range': 'bytes 0-999/1001' }, 'changed'],
    ['a total where none was known', version({ total: null }), { etag: ETAG, 'content-range': 'bytes 0-999/1000' }, 'bytes'],
    ['no total where one was known', version(), { etag: ETAG, 'content-range': 'bytes 0-999/*' }, 'bytes'],
    ['no validator', version(), { 'content-range': 'bytes 0-999/1000' }, 'bytes'],
    [
      'another date',
      version({ etag: null, lastModified: DATE }),
      { 'last-modified': 'Thu, 02 Jan 2025 00:00:00 GMT', 'content-range': 'bytes 0-9/1000' },
      'changed',
    ],
    ['another version out of place', version(), { etag: '"v2"', 'content-range': 'bytes 5-9/10' }, 'changed'],
  ])('with %s is held against the version that is known', (_, expected, headers, kind) => {
    expect(ask({ range: from(0), expected, status: 206, headers }).kind).toBe(kind);
  });

  it('keeps no weak tag', () => {
    const meaning = ask({ status: 206, headers: { etag: 'W/"v1"', 'content-range': 'bytes 0-999/1000' } });
    expect(meaning).toMatchObject({ description: { validator: { etag: null } } });
  });
});

describe('a 200', () => {
  it.each<[string, Case, object]>([
    [
      'to a range is everything from 0',
      { range: from(500), status: 200, headers: { 'content-length': '1000' } },
      { kind: 'bytes', start: 0, end: 999, rangesRefused: true },
    ],
    [
      'to a suffix is everything from 0',
      { range: suffix(5), status: 200, headers: { 'content-length': '1000' } },
      { kind: 'bytes', start: 0, end: 999, rangesRefused: true },
    ],
    [
      'to no range is what was asked',
      { range: null, status: 200, headers: { 'content-length': '1000' } },
      { kind: 'bytes', start: 0, end: 999, rangesRefused: false },
    ],
    ['without length has no end', { status: 200 }, { kind: 'bytes', start: 0, end: null, description: { total: null } }],
    [
      'with a length beyond counting has no end',
      { status: 200, headers: { 'content-length': '99999999999999999999' } },
      { kind: 'bytes', end: null },
    ],
    [
      'of no bytes is empty',
      { status: 200, headers: { 'content-length': '0', etag: ETAG } },
      { kind: 'empty', description: { total: 0, validator: { etag: ETAG } } },
    ],
    ['of no bytes is empty without a range too', { range: null, status: 200, headers: { 'content-length': '0' } }, { kind: 'empty' }],
    [
      'of no bytes is empty as it was',
      { expected: version({ total: 0 }), status: 200, headers: { 'content-length': '0', etag: ETAG } },
      { kind: 'empty' },
    ],
    [
      'of no bytes, where there were some, is another version',
      { expected: version(), status: 200, headers: { 'content-length': '0', etag: ETAG } },
      { kind: 'changed' },
    ],
  ])('%s', (_, question, meaning) => {
    expect(ask(question)).toMatchObject(meaning);
  });

  it.each<[string, Description, AnswerHeaders, string]>([
    ['the same tag', version(), { etag: ETAG, 'content-length': '1000' }, 'bytes'],
    ['the same tag and no length', version(), { etag: ETAG }, 'bytes'],
    ['another tag', version(), { etag: '"v2"', 'content-length': '1000' }, 'changed'],
    ['the same date', version({ etag: null, lastModified: DATE }), { 'last-modified': DATE, 'content-length': '1000' }, 'bytes'],
    ['another date', version({ etag: null, lastModified: DATE }), { 'last-modified': 'x', 'content-length': '1000' }, 'changed'],
    ['no validator and the same length', version(), { 'content-length': '1000' }, 'bytes'],
    ['no validator and another length', version(), { 'content-length': '1001' }, 'changed'],
    ['no validator on either side and another length', version({ etag: null }), { 'content-length': '999' }, 'changed'],
  ])('with %s is held against the version that is known', (_, expected, headers, kind) => {
    const meaning = ask({ range: from(10), expected, status: 200, headers });
    expect(meaning.kind).toBe(kind);
    if (kind === 'bytes') expect(meaning).toMatchObject({ start: 0, rangesRefused: true });
  });
});

describe('an encoded answer', () => {
  it.each([
    ['gzip', 'gzip'],
    ['GZip', 'gzip'],
    ['br, identity', 'br'],
    ['gzip, br', 'gzip, br'],
  ])('with Content-Encoding %s is %s', (header, encoding) => {
    const headers = { 'content-encoding': header, 'content-length': '10', 'content-range': 'bytes 0-9/10' };
    expect(ask({ status: 200, headers, expected: version() })).toEqual({ kind: 'encoded', encoding });
    expect(ask({ status: 206, headers, expected: version() })).toEqual({ kind: 'encoded', encoding });
  });

  it.each(['identity', 'Identity', '', ' '])('is not one with %j', (header) => {
    expect(ask({ status: 200, headers: { 'content-encoding': header } }).kind).toBe('bytes');
    expect(ask({ status: 206, headers: { 'content-encoding': header, 'content-range': 'bytes 0-9/10' } }).kind).toBe('bytes');
  });

  it('does not hide a failure', () => {
    expect(kindOf(ask({ status: 404, headers: { 'content-encoding': 'gzip' } }))).toBe('refused ORIGIN_MISSING');
  });

  it('is passed on with what describes its body, and no cookie', () => {
    expect(relayedHeadersOf({ 'content-encoding': 'gzip', etag: 'W/"x"', vary: ['a', 'b'], 'set-cookie': ['s=1'], date: 'now' })).toEqual({
      'content-encoding': 'gzip',
      etag: 'W/"x"',
      vary: 'a, b',
    });
  });
});

describe('a 416', () => {
  it.each<[string, Case, object]>([
    [
      'beyond the end tells the total',
      { range: from(1000), status: 416, headers: { 'content-range': 'bytes */1000' } },
      { kind: 'unsatisfiable', total: 1000 },
    ],
    [
      'beyond the known end',
      { range: from(1000), expected: version(), status: 416, headers: { 'content-range': 'bytes */1000' } },
      { kind: 'unsatisfiable', total: 1000 },
    ],
    ['without Content-Range', { range: from(1000), status: 416 }, { kind: 'unsatisfiable', total: null }],
    [
      'without Content-Range beyond the known end',
      { range: from(1000), expected: version(), status: 416 },
      { kind: 'unsatisfiable', total: null },
    ],
    [
      'with a malformed Content-Range',
      { range: from(5), status: 416, headers: { 'content-range': 'bytes */x' } },
      { kind: 'unsatisfiable', total: null },
    ],
    [
      'of nothing at the first contact',
      { range: from(0), status: 416, headers: { 'content-range': 'bytes */0' } },
      { kind: 'empty', description: { total: 0, mimeType: null } },
    ],
    ['of nothing to a suffix', { range: suffix(5), status: 416, headers: { 'content-range': 'bytes */0' } }, { kind: 'empty' }],
    [
      'of nothing, as it was',
      { range: from(0), expected: version({ total: 0 }), status: 416, headers: { 'content-range': 'bytes */0' } },
      { kind: 'empty' },
    ],
    [
      'of nothing, where there was something',
      { range: from(0), expected: version(), status: 416, headers: { 'content-range': 'bytes */0' } },
      { kind: 'changed' },
    ],
    [
      'of another total',
      { range: from(900), expected: version(), status: 416, headers: { 'content-range': 'bytes */800' } },
      { kind: 'changed' },
    ],
    ['of no total, within what is known', { range: from(900), expected: version(), status: 416 }, { kind: 'changed' }],
  ])('%s', (_, question, meaning) => {
    expect(ask(question)).toMatchObject(meaning);
  });

  it.each<[string, Case]>([
    ['to bytes that it has', { range: from(10), status: 416, headers: { 'content-range': 'bytes */1000' } }],
    [
      'to bytes that it has, of the known version',
      { range: from(10), expected: version(), status: 416, headers: { 'content-range': 'bytes */1000' } },
    ],
    ['to no range', { range: null, status: 416, headers: { 'content-range': 'bytes */0' } }],
  ])('is wrong %s', (_, question) => {
    expect(kindOf(ask(question))).toBe('transient ORIGIN_WRONG');
  });
});

describe('a failure', () => {
  it.each([
    [404, 'refused ORIGIN_MISSING', 'the origin answered 404 Not Found'],
    [410, 'refused ORIGIN_MISSING', 'the origin answered 410 Gone'],
    [400, 'refused ORIGIN_REFUSED', 'the origin answered 400 Bad Request'],
    [401, 'refused ORIGIN_REFUSED', 'the origin answered 401 Unauthorized'],
    [403, 'refused ORIGIN_REFUSED', 'the origin answered 403 Forbidden'],
    [407, 'refused ORIGIN_REFUSED', 'the origin answered 407 Proxy Authentication Required'],
    [451, 'refused ORIGIN_REFUSED', 'the origin answered 451 Unavailable For Legal Reasons'],
    [499, 'refused ORIGIN_REFUSED', 'the origin answered 499'],
    [408, 'transient ORIGIN_UNREACHABLE', 'the origin answered 408 Request Timeout'],
    [425, 'transient ORIGIN_UNREACHABLE', 'the origin answered 425 Too Early'],
    [429, 'transient ORIGIN_UNREACHABLE', 'the origin answered 429 Too Many Requests'],
    [500, 'transient ORIGIN_UNREACHABLE', 'the origin answered 500 Internal Server Error'],
    [503, 'transient ORIGIN_UNREACHABLE', 'the origin answered 503 Service Unavailable'],
    [599, 'transient ORIGIN_UNREACHABLE', 'the origin answered 599'],
    [204, 'transient ORIGIN_WRONG', 'the origin answered 204 No Content'],
    [203, 'transient ORIGIN_WRONG', 'the origin answered 203 Non-Authoritative Information'],
    [300, 'transient ORIGIN_WRONG', 'the origin answered 300 Multiple Choices'],
    [302, 'transient ORIGIN_WRONG', 'the origin answered 302 Found'],
    [304, 'transient ORIGIN_WRONG', 'the origin answered 304 Not Modified'],
    [600, 'transient ORIGIN_WRONG', 'the origin answered 600'],
  ])('of status %i is %s', (status, kind, message) => {
    const meaning = ask({ status });
    expect(kindOf(meaning)).toBe(kind);
    expect('error' in meaning && meaning.error.message).toBe(message);
    if (meaning.kind === 'refused') expect(meaning.status).toBe(status);
  });

  it.each([
    [429, '7', 7000, 7],
    [503, 'Thu, 01 Jan 2026 00:01:00 GMT', 60_000, 60],
    [500, 'Wed, 31 Dec 2025 00:00:00 GMT', 0, 0],
    [503, 'later', null, undefined],
  ])('of status %i with Retry-After %j waits %j ms', (status, header, retryAfterMs, retryAfter) => {
    const meaning = ask({ status, headers: { 'retry-after': header } });
    expect(meaning).toMatchObject({ kind: 'transient', retryAfterMs });
    expect('error' in meaning && meaning.error.retryAfter).toBe(retryAfter);
  });

  it('of a permanent kind does not wait', () => {
    expect(ask({ status: 403, headers: { 'retry-after': '7' } })).not.toHaveProperty('retryAfterMs');
  });
});
