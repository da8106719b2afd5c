import type { IncomingMessage } from 'node:http';

/**
 * Brings a request's target into the form of a path: a target in absolute form is taken as well, and the host that it names counts in place of the Host
 * field's (RFC 9112, section 3.2.2).
 * @returns whether the request says in one way which host it means: two Host fields do not (section 3.2)
 */
export function readTarget(request: IncomingMessage): boolean {
  if ((request.headersDistinct.host?.length ?? 0) > 1) return false;
  const target = request.url ?? '/';
  if (!/^https?:\/\//i.test(target)) return true;
  if (!URL.canParse(target)) return false;
  const { host, pathname, search } = new URL(target);
  request.url = `${pathname}${search}`;
  request.headers.host = host;
  return true;
}
