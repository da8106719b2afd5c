import type { IncomingHttpHeaders } from 'node:http';
import type { ByteRange } from '#seekwell/core/byte-ranges';
import type { Changes, Coverage } from './recorded-request.ts';
import { coverageOf, RequestLog } from './recorded-request.ts';
import { bytesOf } from './seeded-bytes.ts';

/** What goes wrong with an answer, and after how many bytes of its body. */
export type Fault =
  /** The connection closes without any answer. */
  | { readonly kind: 'drop' }
  /** RST. What the kernel has not delivered by then is lost, as with a real one: the client may see fewer bytes. */
  | { readonly kind: 'reset'; readonly after: number }
  /** FIN in the middle of the body. */
  | { readonly kind: 'short'; readonly after: number }
  /** Nothing more until `release`, then it goes on. */
  | { readonly kind: 'stall'; readonly after: number };

/** How a resource answers. Every line is apart from the others. */
export interface Behaviour {
  /** False: 200 with everything, whatever range is asked for. */
  readonly ranges: boolean;
  /** False: chunked, without Content-Length; a 206 says `*` for the total. */
  readonly lengthKnown: boolean;
  /** The status of every answer to HEAD; null answers as GET does. */
  readonly headStatus: number | null;
  readonly validator: 'etag' | 'weak-etag' | 'last-modified' | 'etag-and-last-modified' | 'none';
  /** False: a range is answered whatever If-Range says. */
  readonly ifRange: boolean;
  /** What a range of an empty resource gets: servers differ. */
  readonly emptyStatus: 200 | 416;
  /** Answers with this status and no byte of the resource; null answers properly. */
  readonly status: number | null;
  /** Headers that are added to every answer, and replace the proper ones. */
  readonly headers: Readonly<Record<string, string>>;
  /** Decides on each request: a status to refuse with (401, 403, 410), or null to let it pass. For signed URLs and credentials. */
  readonly guard: ((query: URLSearchParams, headers: IncomingHttpHeaders) => number | null) | null;
  /** Answers beyond so many at once get this status; null: the connection closes without any answer; `waits`: they come when those before have ended. */
  readonly parallel: { readonly limit: number; readonly status: number | 'waits' | null } | null;
  /** So many redirects before the answer, within this resource; the last one to `to` where it is given (another origin's URL). */
  readonly redirect: { readonly hops: number; readonly to?: string; readonly status?: number } | null;
  /** Milliseconds before the headers. */
  readonly latency: number;
  /** True: no headers before `release`. */
  readonly hold: boolean;
  /** Bytes a second for each answer, exact from its first byte; null: no limit. */
  readonly rate: number | null;
  readonly fault: Fault | null;
  /** How far an answer may go that has come to the byte `at`: to before the returned one; `at` or less: it waits until `changes` are notified and asks again. */
  readonly gate: ((at: number) => number) | null;
  /** At most so many bytes in a 206, which may give less than was asked for (RFC 9110, section 15.3.7). */
  readonly longestRange: number | null;
  /** What a 206 says in Content-Range, given the truth; null leaves the header out. */
  readonly contentRange: ((start: number, end: number, size: number) => string | null) | null;
  /** `gzip`: always the whole resource, encoded, whatever is asked for. */
  readonly encoding: 'gzip' | null;
  readonly type: string;
}

const PROPER: Behaviour = {
  ranges: true,
  lengthKnown: true,
  headStatus: null,
  validator: 'etag-and-last-modified',
  ifRange: true,
  emptyStatus: 416,
  status: null,
  headers: {},
  guard: null,
  parallel: null,
  redirect: null,
  latency: 0,
  hold: false,
  rate: null,
  fault: null,
  gate: null,
  longestRange: null,
  contentRange: null,
  encoding: null,
  type: 'video/x-matroska',
};

/** Version 1 is this old; each later one is an hour younger. Long ago, so that Last-Modified is a strong validator. */
const FIRST_MODIFIED = Date.UTC(2024, 0, 1);

let seedsGiven = 0;

export interface ResourceOptions extends Partial<Behaviour> {
  /** Bytes. 10 GB cost no more than 10. */
  readonly size: number;
  /** Names the bytes; left out, every resource has others. */
  readonly seed?: number;
}

/** One resource of a `ScriptedOrigin`: its bytes, how it answers, and what it was asked. */
export class ScriptedResource extends RequestLog {
  readonly path: string;
  readonly #baseUrl: string;
  readonly #firstSeed: number;
  #size: number;
  #version = 1;
  #behaviour: Behaviour;
  readonly #next: Partial<Behaviour>[] = [];

  constructor(baseUrl: string, path: string, options: ResourceOptions, changes: Changes) {
    super(changes);
    const { size, seed, ...behaviour } = options;
    this.#baseUrl = baseUrl;
    this.path = path;
    this.#size = size;
    this.#firstSeed = seed ?? ++seedsGiven * 1000;
    this.#behaviour = { ...PROPER, ...behaviour };
  }

  get url(): string {
    return this.#baseUrl + this.path;
  }

  get size(): number {
    return this.#size;
  }

  /** 1, and one more for each `change`. */
  get version(): number {
    return this.#version;
  }

  /** What names the current version's bytes in `bytesOf` and `firstDifference`. */
  get seed(): number {
    return this.#firstSeed + this.#version;
  }

  get etag(): string {
    return `"${this.#firstSeed}-v${this.#version}"`;
  }

  get lastModified(): string {
    return new Date(FIRST_MODIFIED + this.#version * 3_600_000).toUTCString();
  }

  /** How it answers now, apart from what `next` says. */
  get behaviour(): Behaviour {
    return this.#behaviour;
  }

  /** Bytes of the current version, both ends inclusive. */
  bytes(start = 0, end = this.#size - 1): Buffer {
    return end < start ? Buffer.alloc(0) : bytesOf(this.seed, start, end);
  }

  /** Changes how it answers from the next request on. What is not named stays as it is. */
  behave(change: Partial<Behaviour>): void {
    this.#behaviour = { ...this.#behaviour, ...change };
  }

  /** Changes how it answers the next `count` requests, after those that earlier calls named. */
  next(count: number, change: Partial<Behaviour>): void {
    for (let i = 0; i < count; i++) this.#next.push(change);
  }

  /** From the next request on: other bytes under a new validator. Answers under way end with the version they began with. */
  change(size = this.#size): void {
    this.#version += 1;
    this.#size = size;
  }

  /** Lets every answer go on that stands still, and takes back `hold`. */
  release(): void {
    this.behave({ hold: false });
    for (const request of this.requests) request.release();
  }

  /** For the origin: how to answer the request that has just come. */
  takeBehaviour(): Behaviour {
    return { ...this.#behaviour, ...this.#next.shift() };
  }

  /** How often each byte of `version` was sent. */
  coverage(version = this.#version): Coverage[] {
    return coverageOf(this.requests.filter((request) => request.version === version));
  }

  /** How often the byte at `offset` of the current version was sent. */
  timesSent(offset: number): number {
    return this.coverage().find((run) => run.start <= offset && offset <= run.end)?.times ?? 0;
  }

  /** The bytes of `version` that were sent at least once, sorted and merged. */
  fetchedRanges(version = this.#version): ByteRange[] {
    const merged: ByteRange[] = [];
    for (const { start, end } of this.coverage(version)) {
      const last = merged.at(-1);
      if (last !== undefined && last.end + 1 === start) merged[merged.length - 1] = { start: last.start, end };
      else merged.push({ start, end });
    }
    return merged;
  }

  /** How many bytes of `version` were sent at least once. `bytesSent` over this is the economy: 1 means each byte once. */
  distinctBytes(version = this.#version): number {
    return this.coverage(version).reduce((sum, run) => sum + run.end - run.start + 1, 0);
  }
}
