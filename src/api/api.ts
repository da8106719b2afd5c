import { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { asSeekwellError, SeekwellError } from '../errors.ts';
import type { FileCache } from '../file-cache.ts';
import type { Logger } from '../logger.ts';
import { problemHeaders, problemOf } from '../problem.ts';
import type { ProcessCounts } from '../process-counts.ts';
import { type ApiDocument, docsPage } from './docs-page.ts';
import { type StreamBase, toEntryJson } from './entry-json.ts';
import { addEntryRoutes } from './entry-routes.ts';
import { EventFeed } from './event-feed.ts';
import { FRONT_PAGE } from './front-page.ts';
import type { HtmlPage } from './html-page.ts';
import { METRICS_TYPE, metricsText } from './metrics.ts';
import { DOCUMENT_ANSWER, describeApi, PAGE_ANSWER } from './openapi.ts';
import { redactedText } from './redacted-text.ts';
import { addRoute, jsonAnswer, methodsAt, textAnswer } from './routes.ts';
import { HealthSchema, StatsSchema } from './schemas.ts';
import { statsOf } from './stats.ts';

const HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

export interface ApiOptions {
  /** The base of stream URLs; null: the name by which the request came. */
  readonly baseUrl: string | null;
  /** Signs stream URLs. Requests are checked before they come here. */
  readonly token: string | null;
  /** What is counted in this process, or in all that share the port. */
  readonly counts: () => Promise<ProcessCounts>;
  /** The server closes: events end, and it is not ready any more. */
  readonly closing: AbortSignal;
  readonly logger: Logger;
}

/** The error as an answer. */
function problemAnswerOf(error: unknown, headers: Record<string, string> = {}): Response {
  const problem = problemOf(error);
  return new Response(JSON.stringify(problem), { status: problem.status, headers: { ...HEADERS, ...problemHeaders(error), ...headers } });
}

/** The API, the metrics, the health checks and the pages, as an application for web requests. */
export function createApi(cache: FileCache, options: ApiOptions): OpenAPIHono {
  const app = new OpenAPIHono();
  const streamBase = (context: Context): StreamBase => ({
    baseUrl: options.baseUrl ?? new URL(context.req.url).origin,
    token: options.token,
  });
  app.use(async (context, next) => {
    await next();
    for (const [name, value] of Object.entries(HEADERS)) context.res.headers.set(name, value);
  });
  addEntryRoutes(app, { cache, streamBase });
  addStats(app, cache, options);
  addEvents(app, cache, options, streamBase);
  addHealth(app, cache, options);
  addPages(app);
  app.notFound((context) => nothingAt(app, context));
  app.onError((error, context) => {
    const { code } = asSeekwellError(error);
    const request = { method: context.req.method, path: context.req.path };
    if (code === 'INTERNAL')
      options.logger.error({ ...request, error: redactedText(error.stack ?? String(error)) }, 'a request failed unexpectedly');
    return problemAnswerOf(error);
  });
  return app;
}

function nothingAt(app: OpenAPIHono, { req }: Context): Response {
  const methods = methodsAt(app, req.path);
  if (methods.length === 0) return problemAnswerOf(new SeekwellError('NO_SUCH_PATH', 'there is nothing at this path'));
  const error = new SeekwellError('METHOD_NOT_ALLOWED', `${req.method} is not allowed here, only ${methods.join(', ')}`);
  return problemAnswerOf(error, { allow: methods.join(', ') });
}

function addStats(app: OpenAPIHono, cache: FileCache, { counts }: ApiOptions): void {
  addRoute(
    app,
    {
      method: 'get',
      path: '/api/v1/stats',
      tags: ['Daemon'],
      summary: 'What the cache holds and what passes through it',
      responses: { 200: jsonAnswer('Numbers', StatsSchema) },
    },
    async (context) => context.json(await statsOf(cache, await counts())),
  );
  addRoute(
    app,
    {
      method: 'get',
      path: '/metrics',
      tags: ['Daemon'],
      summary: 'The same for Prometheus',
      responses: { 200: textAnswer('Metrics', 'text/plain') },
    },
    async (context) => {
      const counted = await counts();
      return context.body(metricsText(await statsOf(cache, counted), counted), 200, { 'content-type': METRICS_TYPE });
    },
  );
}

function addEvents(app: OpenAPIHono, cache: FileCache, options: ApiOptions, streamBase: (context: Context) => StreamBase): void {
  addRoute(
    app,
    {
      method: 'get',
      path: '/api/v1/events',
      tags: ['Daemon'],
      summary: 'What happens, as Server-Sent Events',
      description:
        'entryChanged {entryId, entry}, entryRemoved {entryId}, rangesAdded {entryId, downloadedBytes}, streamOpened and streamClosed {entryId, ' +
        'streamId}, stats each second, and reload {} when so much changed that it is not told one by one: list again then. Changes that other ' +
        'programs make to the cache are not told.',
      responses: { 200: textAnswer('Events until the connection ends', 'text/event-stream') },
    },
    (context) => {
      const headers = { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' };
      // A HEAD request never reads the body, so nobody would end the feed.
      if (context.req.method === 'HEAD') return context.body(null, 200, headers);
      const base = streamBase(context);
      const feed = EventFeed.open({
        emitter: cache.emitter,
        clock: cache.clock,
        logger: options.logger,
        infoOf: (id) => cache.infoOf(id),
        stats: async () => statsOf(cache, await options.counts()),
        toJson: (info) => toEntryJson(info, base),
        signal: options.closing,
      });
      return context.body(feed, 200, headers);
    },
  );
}

function addHealth(app: OpenAPIHono, cache: FileCache, { closing }: ApiOptions): void {
  const responses = { 200: jsonAnswer('Yes', HealthSchema) };
  const ok = { status: 'ok' } as const;
  addRoute(app, { method: 'get', path: '/health/live', tags: ['Daemon'], summary: 'Whether the process answers', responses }, (context) =>
    context.json(ok),
  );
  addRoute(
    app,
    { method: 'get', path: '/health/ready', tags: ['Daemon'], summary: 'Whether the database answers', responses },
    async (context) => {
      if (closing.aborted) throw new SeekwellError('CLOSED', 'the daemon is shutting down');
      await cache.statistics().catch((error: unknown) => {
        throw new SeekwellError('DATABASE_BUSY', 'the database does not answer', { cause: error, hint: asSeekwellError(error).hint });
      });
      return context.json(ok);
    },
  );
}

function addPages(app: OpenAPIHono): void {
  let document: ApiDocument | null = null;
  let docs: HtmlPage | null = null;
  const described = (): ApiDocument => {
    document ??= describeApi(app);
    return document;
  };
  const show = ({ html, headers }: HtmlPage): Response => new Response(html, { headers });
  const tags = ['Pages'];
  addRoute(app, { method: 'get', path: '/api/openapi.json', tags, summary: 'This description', responses: DOCUMENT_ANSWER }, (context) =>
    context.json(described()),
  );
  addRoute(app, { method: 'get', path: '/api/docs', tags, summary: 'This description as a page', responses: PAGE_ANSWER }, () => {
    docs ??= docsPage(described());
    return show(docs);
  });
  addRoute(app, { method: 'get', path: '/', tags, summary: 'The entries, live', responses: PAGE_ANSWER }, () => show(FRONT_PAGE));
}
