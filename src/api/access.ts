import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { SeekwellError } from '../errors.ts';
import type { EntryKey } from '../repository/cache-repository.ts';
import { isSigned } from '../stream-url.ts';

export interface AccessOptions {
  readonly token: string | null;
  /** Host names that are answered to beside loopback names and IP addresses. */
  readonly hostNames: readonly string[];
  /** Origins of pages that may change things beside the daemon's own, as in `https://example.com`. */
  readonly origins: readonly string[];
  /** The entry whose stream is at a path (without its query), or null. */
  readonly streamKeyOf: (path: string) => EntryKey | null;
}

/** What anybody may see who reaches the daemon: pages without data, the description, and whether it is alive. */
const OPEN_PATHS: ReadonlySet<string> = new Set(['/', '/api/docs', '/api/openapi.json', '/health/live', '/health/ready']);
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** The name in a Host header or of an option: lower case, without port, brackets and the dot of a fully qualified name. Null: it is none. */
function hostName(host: string): string | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:/?#@[\]\\]+))(?::\d*)?$/i.exec(host);
  return (match?.[1] ?? match?.[2])?.toLowerCase().replace(/\.$/, '') ?? null;
}

function isLocalhost(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost');
}

/** Compares without telling by its time where the texts differ. */
function sameSecret(a: string, b: string): boolean {
  const [left, right] = [a, b].map((text) => createHash('sha256').update(text).digest()) as [Buffer, Buffer];
  return timingSafeEqual(left, right);
}

/** What of a request says who asks for what. */
export interface AskedFor {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: Pick<IncomingHttpHeaders, 'host' | 'origin' | 'authorization'>;
}

/** Decides who may ask. */
export class Access {
  readonly #token: string | null;
  readonly #hostNames: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;
  readonly #streamKeyOf: AccessOptions['streamKeyOf'];

  constructor({ token, hostNames, origins, streamKeyOf }: AccessOptions) {
    this.#token = token;
    this.#hostNames = new Set(hostNames.map((name) => hostName(name)).filter((name) => name !== null));
    this.#origins = new Set(origins);
    this.#streamKeyOf = streamKeyOf;
  }

  /**
   * Why `request` is refused, or null.
   * @param path without the query
   */
  refusalOf(request: AskedFor, path: string): SeekwellError | null {
    const { method = 'GET', headers, url = '' } = request;
    if (!this.#answersTo(headers.host)) {
      return new SeekwellError('MISDIRECTED', 'this daemon does not answer to the host name of the request');
    }
    if (!SAFE_METHODS.has(method) && !this.#isOwnOrigin(headers.origin, headers.host)) {
      return new SeekwellError('CROSS_ORIGIN', 'pages of other sites may not change the cache');
    }
    if (this.#token === null || OPEN_PATHS.has(path) || this.#hasToken(headers.authorization, this.#token)) return null;
    const stream = this.#streamKeyOf(path);
    if (stream !== null && isSigned(url.slice(path.length), stream, this.#token)) return null;
    return new SeekwellError('UNAUTHORIZED', 'the request carries no valid token');
  }

  /** A name that somebody else's DNS points at this machine makes a browser treat this daemon as that somebody's site: such names are not answered to. */
  #answersTo(host: string | undefined): boolean {
    // Browsers always say which host they mean; who says none (HTTP/1.0) is none.
    if (host === undefined) return true;
    const name = hostName(host);
    return name !== null && (isIP(name) !== 0 || isLocalhost(name) || this.#hostNames.has(name));
  }

  #isOwnOrigin(origin: string | undefined, host: string | undefined): boolean {
    if (origin === undefined) return true;
    if (this.#origins.has(origin)) return true;
    return URL.canParse(origin) && new URL(origin).host === host?.toLowerCase();
  }

  #hasToken(authorization: string | undefined, token: string): boolean {
    const given = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
    return given !== undefined && sameSecret(given, token);
  }
}
