import { type ByteRange, lengthOf } from '../core/byte-ranges.ts';
import type { Ending } from '../core/ending.ts';
import { contentRangeOf, parseRange, type RangeSpec, resolveRange, unsatisfiedRangeOf } from '../core/http-range.ts';
import type { EntryReader } from '../downloads/entry-reader.ts';
import { pause } from '../downloads/signal.ts';
import { isSeekwellError, SeekwellError } from '../errors.ts';
import type { FileCache } from '../file-cache.ts';
import { problemHeaders, problemOf } from '../problem.ts';
import type { EntryKey } from '../repository/cache-repository.ts';
import { conditionalStatus, type HeaderLookup, rangeApplies } from './conditions.ts';
import { CORS, headOf } from './stream-head.ts';
import { keyOfPath } from './stream-path.ts';

/** A changed resource is looked at anew this often before a client hears of it. */
const VERSIONS_TRIED = 5;
/** Between two looks, in milliseconds: fetches of the old version that are under way are recorded, or refused, within a commit. */
const LOOK_AGAIN_MS = 50;

export interface StreamRequest {
  readonly method: string;
  /** Percent-encoded, without the query. */
  readonly path: string;
  readonly header: HeaderLookup;
  readonly signal: Ending;
}

/** An answer before it is sent: its head, and who gives its body. */
export interface StreamAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  /** A body that is there already: a problem. */
  readonly text: string | null;
  /** Gives the body; null where there is none. Whoever gets it closes it. */
  readonly reader: EntryReader | null;
  /** Bytes of the body; null: not known. */
  readonly length: number | null;
  readonly entryId: number | null;
}

function withoutReader(status: number, headers: Record<string, string>, text: string | null = null): StreamAnswer {
  const length = text === null ? 0 : Buffer.byteLength(text);
  return { status, headers: { ...CORS, ...headers }, text, reader: null, length, entryId: null };
}

function problemAnswer(error: unknown, headers: Record<string, string> = {}): StreamAnswer {
  const problem = problemOf(error);
  return withoutReader(problem.status, { ...problemHeaders(error), 'cache-control': 'no-store', ...headers }, JSON.stringify(problem));
}

/** Decides what to answer to a request for a stream. Never rejects: failures become problems. */
export async function answerStream(cache: FileCache, request: StreamRequest): Promise<StreamAnswer> {
  try {
    if (request.method === 'OPTIONS') return preflight(request);
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      const error = new SeekwellError('METHOD_NOT_ALLOWED', `${request.method} is not allowed on a stream`);
      return problemAnswer(error, { allow: 'GET, HEAD, OPTIONS' });
    }
    const key = keyOfPath(request.path);
    if (key === null) throw notFound();
    return await openLatest(cache, key, request);
  } catch (error) {
    if (!isSeekwellError(error)) cache.logger.error({ error: String(error) }, 'a stream failed unexpectedly');
    return problemAnswer(error);
  }
}

/** The resource may change between the look at it and its first byte: then it is looked at anew. */
async function openLatest(cache: FileCache, key: EntryKey, request: StreamRequest): Promise<StreamAnswer> {
  for (let tried = 1; ; tried++) {
    try {
      return await open(cache, key, request);
    } catch (error) {
      if (tried === VERSIONS_TRIED || !isSeekwellError(error, 'ORIGIN_CHANGED')) throw error;
      await pause(cache.clock, LOOK_AGAIN_MS, request.signal);
    }
  }
}

async function open(cache: FileCache, key: EntryKey, request: StreamRequest): Promise<StreamAnswer> {
  const specs = request.method === 'GET' ? parseRange(request.header('range') ?? '') : null;
  // More than one range is answered with the whole, as RFC 9110, section 14.2 allows.
  const spec = specs?.length === 1 ? (specs[0] ?? null) : null;
  const contact = request.header('if-range') === undefined ? spec : null;
  const view = await cache.viewOf(key, contact?.kind === 'from' ? contact.start : 0);
  if (view === null) throw notFound();
  const reader = await cache.openReader(view, { spec: contact, mayFetch: true, signal: request.signal });
  try {
    const answer = await answerWith(reader, spec, request);
    if (answer.reader === null) await reader.close();
    return answer;
  } catch (error) {
    await reader.close();
    throw error;
  }
}

async function answerWith(reader: EntryReader, spec: RangeSpec | null, request: StreamRequest): Promise<StreamAnswer> {
  const { opened } = reader;
  const { total, validator } = opened.description;
  const headers = { ...headOf(reader.entry, opened) };
  const conditional = conditionalStatus(request.header, validator);
  if (conditional === 304) return withoutReader(304, headers);
  if (conditional === 412)
    return problemAnswer(new SeekwellError('CONDITION_FAILED', 'the resource is another version than the request names'));
  const ranged = spec !== null && total !== null && rangeApplies(request.header, validator);
  const range = ranged ? resolveRange(spec, total) : { start: 0, end: (total ?? Number.MAX_SAFE_INTEGER) - 1 };
  if (range === null) {
    const error = new SeekwellError('BAD_RANGE', `the resource has ${total} bytes`);
    return problemAnswer(error, { 'content-range': unsatisfiedRangeOf(total ?? 0) });
  }
  const status = ranged ? 206 : 200;
  if (ranged) headers['content-range'] = contentRangeOf(range, total);
  const length = total === null ? null : total === 0 ? 0 : lengthOf(range);
  if (length !== null) headers['content-length'] = String(length);
  const answer = { status, headers, text: null, length, entryId: reader.entry.id };
  if (request.method === 'HEAD' || length === 0) return { ...answer, reader: null };
  return { ...answer, reader: await begun(reader, range) };
}

/** Waits for the first byte: a failure before it still gets a status. */
async function begun(reader: EntryReader, range: ByteRange): Promise<EntryReader> {
  reader.begin(range);
  await reader.ready();
  return reader;
}

function preflight(request: StreamRequest): StreamAnswer {
  return withoutReader(204, {
    'access-control-allow-methods': 'GET, HEAD, OPTIONS',
    'access-control-allow-headers': request.header('access-control-request-headers') ?? 'Range',
    'access-control-max-age': '86400',
  });
}

function notFound(): SeekwellError {
  return new SeekwellError('ENTRY_NOT_FOUND', 'there is no such entry');
}
