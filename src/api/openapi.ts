import { createRequire } from 'node:module';
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import type { ApiDocument } from './docs-page.ts';
import { problemAnswer, textAnswer } from './routes.ts';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

const ABOUT =
  'Errors are application/problem+json (RFC 9457) with a stable code. Times are UTC, sizes bytes, ranges inclusive. GET routes answer HEAD too. ' +
  'Where the daemon has a token, /api/v1 and /metrics want it as Authorization: Bearer.';

const RANGE_HEADERS = z.object({ range: z.string().optional().openapi({ example: 'bytes=2240000000-' }) });

/** Streams are answered apart from the API, on the same port: here they are only described. */
function describeStreams(app: OpenAPIHono): void {
  const params = z.object({ source: z.string(), media: z.string(), quality: z.string(), filename: z.string() });
  const bytes = { 'application/octet-stream': { schema: z.string() } };
  for (const method of ['get', 'head'] as const) {
    app.openAPIRegistry.registerPath({
      method,
      path: '/stream/{source}/{media}/{quality}/{filename}',
      tags: ['Streams'],
      summary: "The resource's bytes",
      description:
        'From the cache where they are there, from the origin where they are not. The file name is decoration and may be left out.',
      request: { params, headers: RANGE_HEADERS },
      responses: {
        200: { description: 'All of it', content: bytes },
        206: { description: 'The range', content: bytes },
        416: { description: 'The range lies outside the resource' },
        default: problemAnswer,
      },
    });
  }
}

/** Makes the OpenAPI document from the routes of `app`, all of which must be there. */
export function describeApi(app: OpenAPIHono): ApiDocument {
  describeStreams(app);
  app.openAPIRegistry.registerComponent('securitySchemes', 'token', { type: 'http', scheme: 'bearer' });
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: { title: 'Seekwell', version, description: ABOUT },
    security: [{}, { token: [] }],
  });
}

export const DOCUMENT_ANSWER = { 200: { description: 'This description', content: { 'application/json': { schema: z.looseObject({}) } } } };
export const PAGE_ANSWER = { 200: textAnswer('The page', 'text/html') };
