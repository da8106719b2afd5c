import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  contentRangeOf,
  parseContentRange,
  parseRange,
  type RangeSpec,
  rangeHeaderOf,
  resolveRange,
  unsatisfiedRangeOf,
} from '#seekwell/core/http-range';

const MAX = BigInt(Number.MAX_SAFE_INTEGER);

/** Digits at the head of `text`, read one by one with exact arithmetic. */
function digits(text: string): { value: bigint | null; rest: string } {
  let value: bigint | null = null;
  let at = 0;
  for (; at < text.length; at += 1) {
    const digit = '0123456789'.indexOf(text.charAt(at));
    if (digit < 0) break;
    value = (value ?? 0n) * 10n + BigInt(digit);
  }
  return { value, rest: text.slice(at) };
}

function capped(value: bigint): number {
  return Number(value > MAX ? MAX : value);
}

function isSpace(char: string): boolean {
  return char === ' ' || char === '\t';
}

function strip(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isSpace(text.charAt(from))) from += 1;
  while (to > from && isSpace(text.charAt(to - 1))) to -= 1;
  return text.slice(from, to);
}

/** RFC 9110, section 14.1.2 read character by character. */
function specOracle(text: string): RangeSpec | null {
  const first = digits(text);
  if (first.rest.charAt(0) !== '-') return null;
  const last = digits(first.rest.slice(1));
  if (last.rest !== '') return null;
  if (first.value === null) return last.value === null ? null : { kind: 'suffix', length: capped(last.value) };
  if (last.value === null) return { kind: 'from', start: capped(first.value), end: null };
  // The reading caps both numbers before it compares them; where both are beyond counting the range lies beyond every resource anyway.
  return capped(last.value) < capped(first.value) ? null : { kind: 'from', start: capped(first.value), end: capped(last.value) };
}

function rangeOracle(header: string): RangeSpec[] | null {
  const text = strip(header);
  const equals = text.indexOf('=');
  if (equals < 0 || strip(text.slice(0, equals)).toLowerCase() !== 'bytes') return null;
  const specs: RangeSpec[] = [];
  for (const part of text.slice(equals + 1).split(',')) {
    const stripped = strip(part);
    if (stripped === '') continue;
    const spec = specOracle(stripped);
    if (spec === null) return null;
    specs.push(spec);
  }
  return specs.length === 0 || specs.length > 100 ? null : specs;
}

/** Text that is nearly a Range header. */
const rangeLike = fc
  .array(
    fc.constantFrom('bytes', 'Bytes', 'items', '=', '-', ',', ' ', '\t', '0', '1', '7', '42', '100', '9007199254740993', 'x', '/', '*'),
    { maxLength: 14 },
  )
  .map((parts) => parts.join(''));

const number = fc.constantFrom('', '0', '5', '9', '10', '007', '9007199254740991', '9007199254740993', '18446744073709551616');
/** A set of ranges, mostly well formed. */
const rangeSet = fc
  .array(fc.tuple(fc.constantFrom('', ' ', '\t '), number, fc.constantFrom('-', '-', '-', '-', '', '--'), number), { maxLength: 5 })
  .map((parts) => `bytes=${parts.map((part) => part.join('')).join(',')}`);

describe('parseRange', () => {
  it('agrees with a reader that goes character by character', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          rangeSet,
          rangeLike,
          rangeLike.map((text) => `bytes=${text}`),
        ),
        (header) => {
          expect(parseRange(header)).toEqual(rangeOracle(header));
        },
      ),
      { numRuns: 5000 },
    );
  });

  it('reads back what rangeHeaderOf writes', () => {
    const spec = fc.oneof(
      fc.nat().map((length): RangeSpec => ({ kind: 'suffix', length })),
      fc.tuple(fc.maxSafeNat(), fc.option(fc.nat())).map(([start, more]): RangeSpec => {
        return { kind: 'from', start, end: more === null ? null : Math.min(Number.MAX_SAFE_INTEGER, start + more) };
      }),
    );
    fc.assert(
      fc.property(spec, (asked) => {
        expect(parseRange(rangeHeaderOf(asked))).toEqual([asked]);
      }),
    );
  });

  it.each<[string, RangeSpec[]]>([
    ['bytes=0-', [{ kind: 'from', start: 0, end: null }]],
    ['bytes=0-0', [{ kind: 'from', start: 0, end: 0 }]],
    ['bytes=-500', [{ kind: 'suffix', length: 500 }]],
    ['bytes=-0', [{ kind: 'suffix', length: 0 }]],
    [
      '  BYTES=1-2 , ,3- \t',
      [
        { kind: 'from', start: 1, end: 2 },
        { kind: 'from', start: 3, end: null },
      ],
    ],
    ['bytes=0-99999999999999999999', [{ kind: 'from', start: 0, end: Number.MAX_SAFE_INTEGER }]],
  ])('reads %j', (header, specs) => {
    expect(parseRange(header)).toEqual(specs);
  });

  it.each([
    '',
    'bytes',
    'bytes=',
    'bytes=,',
    'bytes=-',
    'bytes=5-4',
    'bytes=1-2,5-4',
    'items=0-1',
    'bytes=0-1;q',
    'bytes=0x1-',
    'bytes=+1-2',
    'bytes=1 - 2',
    'bytes: 0-1',
  ])('ignores %j', (header) => {
    expect(parseRange(header)).toBeNull();
  });

  it('takes 100 ranges and ignores 101', () => {
    const ranges = (count: number): string => `bytes=${Array.from({ length: count }, (_, i) => `${i}-${i}`).join(',')}`;
    expect(parseRange(ranges(100))).toHaveLength(100);
    expect(parseRange(ranges(101))).toBeNull();
  });
});

describe('resolveRange', () => {
  it('means exactly the bytes that the definition names one by one', () => {
    const spec = fc.oneof(
      fc.nat({ max: 30 }).map((length): RangeSpec => ({ kind: 'suffix', length })),
      fc.tuple(fc.nat({ max: 30 }), fc.option(fc.nat({ max: 30 }))).map(([start, more]): RangeSpec => {
        return { kind: 'from', start, end: more === null ? null : start + more };
      }),
    );
    fc.assert(
      fc.property(spec, fc.nat({ max: 25 }), (asked, total) => {
        const bytes = Array.from({ length: total }, (_, i) => i).filter((i) => {
          return asked.kind === 'suffix' ? total - i <= asked.length : i >= asked.start && (asked.end === null || i <= asked.end);
        });
        const range = resolveRange(asked, total);
        expect(range).toEqual(bytes.length === 0 ? null : { start: bytes[0], end: bytes.at(-1) });
      }),
      { numRuns: 3000 },
    );
  });

  it('counts beyond 2^32', () => {
    expect(resolveRange({ kind: 'suffix', length: 1 }, 2 ** 40)).toEqual({ start: 2 ** 40 - 1, end: 2 ** 40 - 1 });
    expect(resolveRange({ kind: 'from', start: 2 ** 33, end: Number.MAX_SAFE_INTEGER }, 2 ** 40)).toEqual({
      start: 2 ** 33,
      end: 2 ** 40 - 1,
    });
  });
});

/** RFC 9110, section 14.4 read character by character. */
function contentRangeOracle(header: string): { range: { start: number; end: number } | null; total: number | null } | null {
  const text = strip(header);
  if (text.slice(0, 5).toLowerCase() !== 'bytes' || !isSpace(text.charAt(5))) return null;
  let rest = strip(text.slice(5));
  let range: { start: bigint; end: bigint } | null = null;
  if (rest.startsWith('*')) {
    rest = rest.slice(1);
  } else {
    const start = digits(rest);
    if (start.value === null || !start.rest.startsWith('-')) return null;
    const end = digits(start.rest.slice(1));
    if (end.value === null || end.value < start.value || end.value > MAX) return null;
    range = { start: start.value, end: end.value };
    rest = end.rest;
  }
  if (!rest.startsWith('/')) return null;
  rest = rest.slice(1);
  let total: bigint | null = null;
  if (rest === '*') {
    if (range === null) return null;
  } else {
    const length = digits(rest);
    if (length.value === null || length.rest !== '' || length.value > MAX) return null;
    total = length.value;
    if (range !== null && range.end >= total) return null;
  }
  return {
    range: range === null ? null : { start: Number(range.start), end: Number(range.end) },
    total: total === null ? null : Number(total),
  };
}

describe('parseContentRange', () => {
  it('agrees with a reader that goes character by character', () => {
    const part = fc.constantFrom(
      'bytes',
      'BYTES',
      'items',
      ' ',
      '\t',
      '-',
      '/',
      '*',
      '0',
      '5',
      '9',
      '10',
      '9007199254740991',
      '9007199254740993',
      '=',
    );
    const like = fc.oneof(
      fc.array(part, { maxLength: 9 }).map((parts) => parts.join('')),
      fc.tuple(part, part, part, part, part).map(([a, b, c, d, e]) => `bytes ${a}${b}${c}${d}${e}`),
      fc.tuple(fc.nat({ max: 20 }), fc.nat({ max: 20 }), fc.nat({ max: 20 })).map(([a, b, c]) => `bytes ${a}-${b}/${c}`),
    );
    fc.assert(
      fc.property(like, (header) => {
        expect(parseContentRange(header)).toEqual(contentRangeOracle(header));
      }),
      { numRuns: 5000 },
    );
  });

  it('reads back what contentRangeOf and unsatisfiedRangeOf write', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.option(fc.integer({ min: 1, max: 1e6 })), (start, more, beyond) => {
        const range = { start, end: start + more };
        const total = beyond === null ? null : range.end + beyond;
        expect(parseContentRange(contentRangeOf(range, total))).toEqual({ range, total });
        expect(parseContentRange(unsatisfiedRangeOf(start))).toEqual({ range: null, total: start });
      }),
    );
  });

  it.each([
    ['bytes 0-0/1', { range: { start: 0, end: 0 }, total: 1 }],
    ['bytes 0-9/*', { range: { start: 0, end: 9 }, total: null }],
    ['bytes */0', { range: null, total: 0 }],
  ])('reads %j', (header, content) => {
    expect(parseContentRange(header)).toEqual(content);
  });

  it.each([
    '',
    'bytes',
    'bytes */*',
    'bytes 0-9',
    'bytes=0-9/10',
    'bytes 0-10/10',
    'bytes 9-0/10',
    'bytes 0-/10',
    'bytes -9/10',
    'bytes 0-9/10, bytes 0-9/10',
    'bytes 0 - 9/10',
  ])('finds %j malformed', (header) => {
    expect(parseContentRange(header)).toBeNull();
  });
});
