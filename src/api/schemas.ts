import { z } from '@hono/zod-openapi';
import { DOWNLOAD_STATES } from '../core/download-state.ts';
import { FILENAME, HEADER_NAME, HEADER_VALUE, MAX_HEADERS, MAX_URL_LENGTH, NAME, type TextLimit } from '../entry-limits.ts';

// The one definition of what the API takes and gives: answers are typed by it, requests are checked against it, the description is made from it.

function text({ max, pattern, complaint }: TextLimit): z.ZodString {
  return z.string().max(max).regex(pattern, complaint);
}

const Name = text(NAME);
const Filename = text(FILENAME);

const Headers = z
  .record(text(HEADER_NAME), text(HEADER_VALUE))
  .refine((headers) => Object.keys(headers).length <= MAX_HEADERS, `at most ${MAX_HEADERS} headers`)
  .openapi({ description: 'Sent to the origin with each request, and shown nowhere.', example: { Referer: 'https://example.com/' } });

const RangeText = z
  .string()
  .max(40)
  .regex(/^(?:\d+-\d*|-\d+)$/, 'must be as in "0-999", "1000-" or "-500"');

const RangeTexts = z
  .array(RangeText)
  .min(1)
  .max(100)
  .openapi({ description: 'Byte ranges as in a Range header; both ends are inclusive.', example: ['0-104857599', '-8388608'] });

export const NewEntrySchema = z
  .strictObject({
    url: z
      .string()
      .min(1)
      .max(MAX_URL_LENGTH)
      .openapi({ description: 'An absolute http or https URL.', example: 'https://example.com/film.mkv' }),
    source: Name.optional().openapi({ description: '`url` unless told.' }),
    media: Name.optional().openapi({ description: 'A stable hash of the URL unless told.' }),
    quality: Name.optional().openapi({ description: '`original` unless told.' }),
    filename: Filename.optional().openapi({ description: "The name players show; the URL's unless told." }),
    headers: Headers.optional(),
    prefetch: z.union([z.boolean(), RangeTexts]).optional().openapi({ description: 'What to fetch at once; true: everything.' }),
    pinned: z.boolean().optional().openapi({ description: 'Never evicted.' }),
    fill: z.boolean().optional().openapi({ description: 'False: never completed in the background.' }),
  })
  .openapi('NewEntry');

export const PrefetchSchema = z.strictObject({ ranges: RangeTexts.optional() }).openapi('Prefetch');

const State = z.enum(DOWNLOAD_STATES).openapi('State');
const Count = z.int().min(0);
const Time = z.iso.datetime();

export const EntrySchema = z
  .object({
    id: z.int().min(1).openapi({ example: 7 }),
    source: z.string().openapi({ example: 'url' }),
    media: z.string().openapi({ example: 'b1946ac92492d234' }),
    quality: z.string().openapi({ example: 'original' }),
    filename: z.string().nullable().openapi({ example: 'film.mkv' }),
    url: z.string().openapi({ description: 'Without its query, user and password.' }),
    state: State,
    error: z.string().nullable().openapi({ description: 'Why it failed for good.' }),
    lastError: z.string().nullable().openapi({ description: 'The latest passing failure since the last byte.' }),
    retryAt: Time.nullable().openapi({ description: 'When background work tries again.' }),
    expectedTotalSize: Count.nullable().openapi({ description: 'Bytes; null until it is known.' }),
    downloadedBytes: Count,
    progress: z.number().min(0).max(1).nullable().openapi({ description: '1 only when all is there; null while the total is not known.' }),
    pendingChunks: Count,
    spanCount: Count,
    mimeType: z.string().nullable(),
    pinned: z.boolean(),
    fill: z.boolean().openapi({ description: 'Whether it is completed in the background once a reader opened it.' }),
    active: z.boolean().openapi({ description: 'Bytes of it are being fetched now.' }),
    createdAt: Time,
    lastAccessed: Time,
    streamUrl: z.string(),
  })
  .openapi('Entry');

export type EntryJson = z.infer<typeof EntrySchema>;

export const VerifySchema = z
  .strictObject({ repair: z.boolean().optional().openapi({ description: 'Fetch bad bytes again; else readers that come to them do.' }) })
  .openapi('Verify');

export const VerifiedEntrySchema = EntrySchema.extend({
  verification: z.object({
    checkedBytes: Count.openapi({ description: 'Bytes that match their checksum.' }),
    newChecksums: Count.openapi({ description: 'Blocks that had no checksum, and have one now.' }),
    partialBytes: Count.openapi({ description: 'Bytes in blocks that are not all there, which have no checksum.' }),
    bad: z.array(z.object({ start: Count, end: Count, why: z.enum(['checksum', 'unreadable', 'short', 'missing']) })),
    repaired: z.boolean().openapi({ description: 'All that was bad was fetched again.' }),
    failure: z.string().nullable().openapi({ description: 'Why it could not be fetched again.' }),
  }),
}).openapi('VerifiedEntry');

export const EntryPageSchema = z
  .object({
    entries: z.array(EntrySchema),
    nextCursor: z.string().nullable().openapi({ description: 'Give it as `cursor` to get the next page; null: there is none.' }),
  })
  .openapi('EntryPage');

export const EntryQuerySchema = z.object({
  state: State.optional(),
  source: z.string().max(200).optional(),
  q: z.string().max(200).optional().openapi({ description: 'Part of the source, the media, the quality or the file name.' }),
  sort: z.enum(['id', 'lastAccessed', 'createdAt', 'name']).optional().openapi({ description: 'Times: the latest first.' }),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  cursor: z.string().max(4096).optional(),
});

export const EntryIdSchema = z.object({
  id: z
    .string()
    .regex(/^\d{1,15}$/, 'must be a number')
    .openapi({ example: '7' }),
});

export const RangesSchema = z
  .object({
    ranges: z
      .array(z.tuple([Count, Count]))
      .openapi({ description: 'Cached bytes, both ends inclusive, sorted, merged.', example: [[0, 1048575]] }),
  })
  .openapi('Ranges');

export const StatsSchema = z
  .object({
    entries: Count,
    cacheBytes: Count.openapi({ description: 'Bytes that are recorded.' }),
    reservedBytes: Count.openapi({ description: 'Bytes that are being fetched now.' }),
    trashBytes: Count.openapi({ description: 'Bytes that are removed but still on the disk.' }),
    quotaBytes: Count.nullable().openapi({ description: 'The most bytes that are kept; null: no limit.' }),
    hitBytes: Count.openapi({ description: 'Bytes given to readers from the cache, since the start.' }),
    missBytes: Count.openapi({ description: 'Bytes given to readers while they were fetched, since the start.' }),
    originBytes: Count.openapi({ description: 'Bytes that came from origins, since the start.' }),
    activeFetches: Count,
    activeStreams: Count,
  })
  .openapi('Stats');

export type StatsJson = z.infer<typeof StatsSchema>;

export const ProblemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string().openapi({ description: 'Stable.', example: 'ENTRY_NOT_FOUND' }),
    hint: z.string(),
  })
  .openapi('Problem', { description: 'RFC 9457, application/problem+json.' });

export const HealthSchema = z.object({ status: z.literal('ok') }).openapi('Health');
