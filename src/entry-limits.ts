import { SeekwellError } from './errors.ts';

/** What a text may be. */
export interface TextLimit {
  readonly max: number;
  readonly pattern: RegExp;
  /** What is wrong with a text that does not fit. */
  readonly complaint: string;
}

/** Names are part of an entry's key; each stands in stream URLs as one segment, which `.` and `..` cannot be. */
export const NAME: TextLimit = {
  max: 200,
  pattern: /^(?!\.{1,2}$)[^\p{Cc}\p{Cs}]+$/u,
  complaint: 'must not be empty, . or .., nor hold control characters',
};
export const FILENAME: TextLimit = { max: 255, pattern: /^(?!\.{1,2}$)[^/\\\p{Cc}\p{Cs}]+$/u, complaint: 'must be a plain file name' };
/** RFC 9110, section 5.6.2. */
export const HEADER_NAME: TextLimit = {
  max: 100,
  pattern: /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/,
  complaint: 'is not what HTTP allows as a header name',
};
/** RFC 9110, section 5.5: no line ends above all. */
export const HEADER_VALUE: TextLimit = {
  max: 8192,
  pattern: /^[\t\x20-\x7e\x80-\xff]*$/,
  complaint: 'is not what HTTP allows in a header',
};
export const MAX_HEADERS = 64;
export const MAX_URL_LENGTH = 16_384;

interface Named {
  readonly url: string;
  readonly source?: string;
  readonly media?: string;
  readonly quality?: string;
  readonly filename?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function check(what: string, text: string | undefined, limit: TextLimit): void {
  if (text === undefined || (text.length <= limit.max && limit.pattern.test(text))) return;
  throw new SeekwellError('BAD_REQUEST', `${what}: ${text.length > limit.max ? `longer than ${limit.max} characters` : limit.complaint}`);
}

/**
 * Checks what an entry is registered with. Messages repeat no value: it may be a secret in the wrong place.
 * @throws SeekwellError BAD_REQUEST
 */
export function checkNamed(entry: Named): void {
  if (entry.url.length > MAX_URL_LENGTH) throw new SeekwellError('BAD_REQUEST', `url: longer than ${MAX_URL_LENGTH} characters`);
  check('source', entry.source, NAME);
  check('media', entry.media, NAME);
  check('quality', entry.quality, NAME);
  check('filename', entry.filename, FILENAME);
  const headers = Object.entries(entry.headers ?? {});
  if (headers.length > MAX_HEADERS) throw new SeekwellError('BAD_REQUEST', `headers: more than ${MAX_HEADERS}`);
  for (const [name, value] of headers) {
    check('headers', name, HEADER_NAME);
    check('headers', value, HEADER_VALUE);
  }
}
