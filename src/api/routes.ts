import { type OpenAPIHono, type RouteConfig, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { PROBLEM_TYPE } from '../problem.ts';
import { ProblemSchema } from './schemas.ts';

type Responses = RouteConfig['responses'];

/** The answer of a route that does what it should, as JSON. */
export function jsonAnswer(description: string, schema: z.ZodType): Responses[string] {
  return { description, content: { 'application/json': { schema } } };
}

/** An answer that is text of some type. */
export function textAnswer(description: string, type: string): Responses[string] {
  return { description, content: { [type]: { schema: z.string() } } };
}

/** What every route answers when it does not do what it should. */
export const problemAnswer: Responses[string] = { description: 'What went wrong', content: { [PROBLEM_TYPE]: { schema: ProblemSchema } } };

/** Adds one route: its description and what answers it. A HEAD request to a GET route is answered by the same handler. */
export function addRoute(
  app: OpenAPIHono,
  config: Omit<RouteConfig, 'responses'> & { readonly responses: Responses },
  handler: (context: Context) => Response | Promise<Response>,
): void {
  app.openAPIRegistry.registerPath({ ...config, responses: { ...config.responses, default: problemAnswer } });
  app.on([config.method], [config.path.replaceAll(/\{(\w+)\}/g, ':$1')], handler);
}

/** The methods of the routes that match `path`, for an Allow header. Empty where there is nothing at `path`. */
export function methodsAt(app: OpenAPIHono, path: string): string[] {
  const methods = new Set<string>();
  for (const route of app.routes) {
    // Middleware matches every method and path.
    if (route.method === 'ALL') continue;
    const pattern = new RegExp(`^${route.path.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]+')}$`);
    if (pattern.test(path)) methods.add(route.method);
  }
  if (methods.has('GET')) methods.add('HEAD');
  return [...methods].sort();
}
