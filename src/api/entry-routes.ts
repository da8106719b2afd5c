import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { parseRange, type RangeSpec } from '../core/http-range.ts';
import { SeekwellError } from '../errors.ts';
import type { FileCache } from '../file-cache.ts';
import type { EntryQuery } from '../repository/cache-repository.ts';
import { type StreamBase, toEntryJson } from './entry-json.ts';
import { checked, readBody } from './request-checks.ts';
import { addRoute, jsonAnswer } from './routes.ts';
import {
  EntryIdSchema,
  type EntryJson,
  EntryPageSchema,
  EntryQuerySchema,
  EntrySchema,
  NewEntrySchema,
  PrefetchSchema,
  RangesSchema,
  VerifiedEntrySchema,
  VerifySchema,
} from './schemas.ts';

const ENTRIES = '/api/v1/entries';
const ENTRY = `${ENTRIES}/{id}`;
const tags = ['Entries'];

export interface EntryRouteParts {
  readonly cache: FileCache;
  /** Where streams are for whoever sent this request. */
  streamBase(context: Context): StreamBase;
}

/** Actions without a body. */
const ACTIONS: Readonly<Record<string, { readonly summary: string; run(cache: FileCache, id: number): Promise<void> }>> = {
  pause: { summary: 'Stop fetching, but for what readers wait for', run: (cache, id) => cache.pause(id) },
  resume: { summary: 'Fetch the rest', run: (cache, id) => cache.resume(id) },
  retry: { summary: 'Forget a failure and try again', run: (cache, id) => cache.retry(id) },
  pin: { summary: 'Never evict it', run: (cache, id) => cache.setPinned(id, true) },
  unpin: { summary: 'Let it be evicted again', run: (cache, id) => cache.setPinned(id, false) },
};

function idOf(context: Context): number {
  return Number(checked(EntryIdSchema, context.req.param()).id);
}

/** The ranges of a request; null: everything. @throws SeekwellError BAD_REQUEST */
function specsOf(ranges: readonly string[] | undefined): readonly RangeSpec[] | null {
  if (ranges === undefined) return null;
  const specs = parseRange(`bytes=${ranges.join(',')}`);
  if (specs === null) throw new SeekwellError('BAD_REQUEST', 'a range ends before it starts');
  return specs;
}

/** The query of a list without what was not said, which the contract of the cache tells apart from undefined. */
function listQuery(context: Context): EntryQuery {
  const { state, source, q, sort, limit, cursor } = checked(EntryQuerySchema, context.req.query());
  return {
    limit,
    ...(state === undefined ? {} : { state }),
    ...(source === undefined ? {} : { sourceId: source }),
    ...(q === undefined ? {} : { search: q }),
    ...(sort === undefined ? {} : { sort }),
    ...(cursor === undefined ? {} : { cursor }),
  };
}

/** Everything below /api/v1/entries. */
export function addEntryRoutes(app: OpenAPIHono, parts: EntryRouteParts): void {
  addRegistration(app, parts);
  addReading(app, parts);
  addActions(app, parts);
  addVerification(app, parts);
}

async function entryJson({ cache, streamBase }: EntryRouteParts, context: Context, id: number): Promise<EntryJson> {
  return toEntryJson(await cache.infoOf(id), streamBase(context));
}

function addRegistration(app: OpenAPIHono, parts: EntryRouteParts): void {
  const { cache } = parts;
  addRoute(
    app,
    {
      method: 'post',
      path: ENTRIES,
      tags,
      summary: 'Register a resource',
      description: 'An entry of the same key is bound to the new URL and headers: signed links expire.',
      request: { body: { required: true, content: { 'application/json': { schema: NewEntrySchema } } } },
      responses: { 201: jsonAnswer('The new entry', EntrySchema), 200: jsonAnswer('The entry that had the key', EntrySchema) },
    },
    async (context) => {
      const { prefetch, ...options } = await readBody(context, NewEntrySchema);
      const specs = specsOf(Array.isArray(prefetch) ? prefetch : undefined);
      const { entry, created } = await cache.register(defined(options));
      if (prefetch !== undefined && prefetch !== false) await entry.requestPrefetch(specs);
      const json = await entryJson(parts, context, entry.id);
      return created ? context.json(json, 201, { location: `${ENTRIES}/${entry.id}` }) : context.json(json, 200);
    },
  );
}

type Options = Omit<ReturnType<typeof NewEntrySchema.parse>, 'prefetch'>;
type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** Without what the request did not say. */
function defined(options: Options): Defined<Options> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Defined<Options>;
}

function addReading(app: OpenAPIHono, parts: EntryRouteParts): void {
  const { cache } = parts;
  addRoute(
    app,
    {
      method: 'get',
      path: ENTRIES,
      tags,
      summary: 'List entries',
      request: { query: EntryQuerySchema },
      responses: { 200: jsonAnswer('A page of entries', EntryPageSchema) },
    },
    async (context) => {
      const page = await cache.page(listQuery(context));
      const base = parts.streamBase(context);
      return context.json({ entries: page.entries.map((info) => toEntryJson(info, base)), nextCursor: page.nextCursor });
    },
  );
  const request = { params: EntryIdSchema };
  addRoute(
    app,
    { method: 'get', path: ENTRY, tags, summary: 'One entry', request, responses: { 200: jsonAnswer('The entry', EntrySchema) } },
    async (context) => context.json(await entryJson(parts, context, idOf(context))),
  );
  addRoute(
    app,
    {
      method: 'get',
      path: `${ENTRY}/ranges`,
      tags,
      summary: 'The bytes of an entry that are cached',
      request,
      responses: { 200: jsonAnswer('Cached ranges', RangesSchema) },
    },
    async (context) => {
      const spans = await cache.spansOf(idOf(context));
      return context.json({ ranges: spans.map(({ start, end }) => [start, end]) });
    },
  );
}

function addActions(app: OpenAPIHono, parts: EntryRouteParts): void {
  const { cache } = parts;
  const request = { params: EntryIdSchema };
  addRoute(
    app,
    {
      method: 'delete',
      path: ENTRY,
      tags,
      summary: 'Remove an entry and its bytes',
      request,
      responses: { 204: { description: 'It is gone' } },
    },
    async (context) => {
      await cache.remove(idOf(context));
      return context.body(null, 204);
    },
  );
  for (const [action, { summary, run }] of Object.entries(ACTIONS)) {
    const responses = { 200: jsonAnswer('The entry afterwards', EntrySchema) };
    addRoute(app, { method: 'post', path: `${ENTRY}/${action}`, tags, summary, request, responses }, async (context) => {
      const id = idOf(context);
      await run(cache, id);
      return context.json(await entryJson(parts, context, id));
    });
  }
  addRoute(
    app,
    {
      method: 'post',
      path: `${ENTRY}/prefetch`,
      tags,
      summary: 'Fetch ranges, or everything, in the background',
      request: { ...request, body: { required: false, content: { 'application/json': { schema: PrefetchSchema } } } },
      responses: { 200: jsonAnswer('The entry afterwards', EntrySchema) },
    },
    async (context) => {
      const id = idOf(context);
      const { ranges } = await readBody(context, PrefetchSchema);
      await cache.requestPrefetch(id, specsOf(ranges));
      return context.json(await entryJson(parts, context, id));
    },
  );
}

function addVerification(app: OpenAPIHono, parts: EntryRouteParts): void {
  addRoute(
    app,
    {
      method: 'post',
      path: `${ENTRY}/verify`,
      tags,
      summary: 'Hold the cached bytes against their checksums',
      request: { params: EntryIdSchema, body: { required: false, content: { 'application/json': { schema: VerifySchema } } } },
      responses: { 200: jsonAnswer('The entry afterwards, and what was found', VerifiedEntrySchema) },
    },
    async (context) => {
      const id = idOf(context);
      const { repair = false } = await readBody(context, VerifySchema);
      const report = await parts.cache.verify(id, { repair, signal: context.req.raw.signal });
      return context.json({ ...(await entryJson(parts, context, id)), verification: { ...report, bad: [...report.bad] } });
    },
  );
}
