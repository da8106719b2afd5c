import { STATUS_CODES } from 'node:http';
import { lengthOf } from '../core/byte-ranges.ts';
import { parseContentRange, type RangeSpec, resolveRange } from '../core/http-range.ts';
import { type Description, sameVersion, strongEtag } from '../core/validator.ts';
import { SeekwellError } from '../errors.ts';
import type { BytesAnswer, OriginAnswer, OriginRequest } from './origin-client.ts';
import { parseRetryAfter } from './retry-after.ts';

/** Headers by lower-case name; a repeated header is an array. */
export type AnswerHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** What precedes an answer's body. */
export interface AnswerHead {
  readonly status: number;
  readonly headers: AnswerHeaders;
}

/** What was asked, as far as the meaning of an answer depends on it. */
export type Question = Pick<OriginRequest, 'range' | 'expected'>;

/** An `OriginAnswer` whose bodies are not attached yet. */
export type AnswerMeaning = Exclude<OriginAnswer, { kind: 'bytes' }> | Omit<BytesAnswer, 'body'>;

/** What a player or a browser may profit from besides the media type. Cookies and whatever else names a user stay behind. */
const KEPT_HEADERS = ['cache-control', 'content-disposition', 'content-language'];
/** What describes an encoded body to whoever gets it as it is. */
const RELAYED_HEADERS = [
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'etag',
  'last-modified',
  'vary',
  ...KEPT_HEADERS,
];

/** The header's content, repetitions joined as RFC 9110, section 5.3 has it; null where it is missing. */
export function headerOf(headers: AnswerHeaders, name: string): string | null {
  const value = headers[name];
  if (value === undefined) return null;
  return Array.isArray(value) ? value.join(', ') : value;
}

/** Bytes of the answer's body as its Content-Length tells; null where there is none that can be used. */
export function contentLengthOf(headers: AnswerHeaders): number | null {
  const text = headerOf(headers, 'content-length')?.trim();
  if (text === undefined || !/^\d+$/.test(text)) return null;
  const length = Number(text);
  return Number.isSafeInteger(length) ? length : null;
}

function pick(headers: AnswerHeaders, names: readonly string[]): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of names) {
    const value = headerOf(headers, name);
    if (value !== null) kept[name] = value;
  }
  return kept;
}

/** The headers that an encoded answer is passed on with. */
export function relayedHeadersOf(headers: AnswerHeaders): Record<string, string> {
  return pick(headers, RELAYED_HEADERS);
}

/** An answer that breaks the protocol. `how` completes "the origin answered wrongly: ". */
export function wrongAnswer(how: string): AnswerMeaning & { kind: 'transient' } {
  return { kind: 'transient', error: new SeekwellError('ORIGIN_WRONG', `the origin answered wrongly: ${how}`), retryAfterMs: null };
}

function descriptionOf(headers: AnswerHeaders, total: number | null): Description {
  return {
    validator: { etag: strongEtag(headerOf(headers, 'etag')), lastModified: headerOf(headers, 'last-modified') },
    total,
    mimeType: headerOf(headers, 'content-type'),
  };
}

/** The content coding of the body, or null where it is the resource as it is. */
function encodingOf(headers: AnswerHeaders): string | null {
  const codings = (headerOf(headers, 'content-encoding') ?? '').split(',').map((coding) => coding.trim().toLowerCase());
  const applied = codings.filter((coding) => coding !== '' && coding !== 'identity');
  return applied.length === 0 ? null : applied.join(', ');
}

/** Why `start` to `end` of `total` is no answer to `asked`, or null where it is one. A shorter piece is one (RFC 9110, section 15.3.7). */
function misplaced(asked: RangeSpec | null, start: number, end: number, total: number | null): string | null {
  if (asked?.kind === 'suffix') {
    if (total === null) return 'a 206 to a suffix range without the total';
    return start === Math.max(0, total - asked.length) ? null : 'a 206 that begins elsewhere than asked';
  }
  if (start !== (asked?.start ?? 0)) return 'a 206 that begins elsewhere than asked';
  if (asked !== null && asked.end !== null && end > asked.end) return 'a 206 that ends beyond what was asked';
  return null;
}

function partial({ range: asked, expected }: Question, headers: AnswerHeaders): AnswerMeaning {
  const encoding = encodingOf(headers);
  if (encoding !== null) return { kind: 'encoded', encoding };
  if (/^\s*multipart\/byteranges\b/i.test(headerOf(headers, 'content-type') ?? ''))
    return wrongAnswer('several parts where one range was asked');
  const header = headerOf(headers, 'content-range');
  if (header === null) return wrongAnswer('a 206 without Content-Range');
  const content = parseContentRange(header);
  if (content === null || content.range === null) return wrongAnswer('a 206 with a malformed Content-Range');
  const { start, end } = content.range;
  const description = descriptionOf(headers, content.total);
  // Another version explains a range that is out of place, so that it comes first.
  if (expected !== null && !sameVersion(expected, description)) return { kind: 'changed' };
  const fault = misplaced(asked, start, end, content.total);
  if (fault !== null) return wrongAnswer(fault);
  const length = contentLengthOf(headers);
  if (length !== null && length !== lengthOf(content.range))
    return wrongAnswer('a 206 whose Content-Length differs from its Content-Range');
  return { kind: 'bytes', start, end, rangesRefused: false, description, headers: pick(headers, KEPT_HEADERS) };
}

function whole({ range, expected }: Question, headers: AnswerHeaders): AnswerMeaning {
  const encoding = encodingOf(headers);
  if (encoding !== null) return { kind: 'encoded', encoding };
  const total = contentLengthOf(headers);
  const description = descriptionOf(headers, total);
  // A 200 to If-Range means another version or a server without ranges: only the comparison tells which.
  if (expected !== null && !sameVersion(expected, description)) return { kind: 'changed' };
  if (total === 0) return { kind: 'empty', description };
  return {
    kind: 'bytes',
    start: 0,
    end: total === null ? null : total - 1,
    rangesRefused: range !== null,
    description,
    headers: pick(headers, KEPT_HEADERS),
  };
}

function unsatisfied({ range, expected }: Question, headers: AnswerHeaders): AnswerMeaning {
  if (range === null) return wrongAnswer('a 416 where no range was asked');
  const total = parseContentRange(headerOf(headers, 'content-range') ?? '')?.total ?? null;
  const known = expected?.total ?? null;
  if (known !== null && total !== null && total !== known) return { kind: 'changed' };
  if (total === 0) return { kind: 'empty', description: { ...descriptionOf(headers, 0), mimeType: null } };
  // A range within the version that is known lies outside what the origin has: it has something shorter.
  if (known !== null && total === null && resolveRange(range, known) !== null) return { kind: 'changed' };
  if (total !== null && resolveRange(range, total) !== null) return wrongAnswer('a 416 to a range that lies within the resource');
  return { kind: 'unsatisfiable', total };
}

function failed({ status, headers }: AnswerHead, now: number): AnswerMeaning {
  const text = `the origin answered ${`${status} ${STATUS_CODES[status] ?? ''}`.trim()}`;
  if (status === 404 || status === 410) return { kind: 'refused', error: new SeekwellError('ORIGIN_MISSING', text), status };
  const passes = status === 408 || status === 425 || status === 429 || (status >= 500 && status <= 599);
  if (passes) {
    const header = headerOf(headers, 'retry-after');
    const retryAfterMs = header === null ? null : parseRetryAfter(header, now);
    const details = retryAfterMs === null ? {} : { retryAfter: Math.ceil(retryAfterMs / 1000) };
    const overloaded = status === 429 || status === 503;
    return { kind: 'transient', error: new SeekwellError('ORIGIN_UNREACHABLE', text, details), retryAfterMs, overloaded };
  }
  if (status >= 400 && status <= 499) return { kind: 'refused', error: new SeekwellError('ORIGIN_REFUSED', text), status };
  return { kind: 'transient', error: new SeekwellError('ORIGIN_WRONG', text), retryAfterMs: null };
}

/**
 * What an answer means for who asked. Redirects are followed elsewhere: one that arrives here is wrong.
 * @param now UTC milliseconds, which a Retry-After with a date is counted from
 */
export function meaningOf(question: Question, head: AnswerHead, now: number): AnswerMeaning {
  switch (head.status) {
    case 200:
      return whole(question, head.headers);
    case 206:
      return partial(question, head.headers);
    case 416:
      return unsatisfied(question, head.headers);
    default:
      return failed(head, now);
  }
}
