import { lengthOf } from '#seekwell/core/byte-ranges';
import { contentRangeOf, type RangeSpec, resolveRange, unsatisfiedRangeOf } from '#seekwell/core/http-range';
import { ifRangeOf } from '#seekwell/core/validator';
import { SeekwellError } from '#seekwell/errors';
import { type AnswerHead, meaningOf } from '#seekwell/origin/origin-answer';
import type { BodySink, OriginAnswer, OriginBody, OriginClient, OriginRequest } from '#seekwell/origin/origin-client';
import { bytesOf } from '../support/seeded-bytes.ts';
import type { Life, Scheduler, SimulatedClock } from './scheduler.ts';
import type { SeededRandom } from './seeded-random.ts';

/** The longest resource, in bytes: beyond what the engine waits for rather than takes over (256 KiB) and its near end (1 MiB). */
export const MAX_SIZE = 1_600_000;
export const MAX_RESOURCES = 3;
/** Versions that a resource has at most; after these it goes back to earlier ones. */
const MAX_VERSIONS = 4;
/** After so long without a byte a body is given up, in milliseconds: as the real client does. */
const STALL_MS = 15_000;

const contents = new Map<number, Buffer>();

/** All that a version could be long; no two have four bytes in common at one place. */
function contentOf(seed: number): Buffer {
  let content = contents.get(seed);
  if (content === undefined) {
    content = bytesOf(seed, 0, MAX_SIZE - 1);
    contents.set(seed, content);
  }
  return content;
}

export interface Version {
  readonly number: number;
  readonly size: number;
  readonly content: Buffer;
  readonly etag: string | null;
  readonly lastModified: string | null;
}

/** What tells versions apart: nothing means that their length does. */
export type Naming = 'etag' | 'last-modified' | 'nothing';

export interface OriginTraits {
  readonly naming: Naming;
  readonly ranges: boolean;
  /** False: bodies come without Content-Length, and without ranges. */
  readonly givesLength: boolean;
  readonly maxSize: number;
}

/** How the network and the server behave at the moment. Probabilities of one request. */
export interface NetworkWeather {
  /** The most milliseconds to an answer, and between two pieces of a body. */
  readonly latency: number;
  readonly gap: number;
  readonly unreachable: number;
  /** 429 or 503. */
  readonly overloaded: number;
  /** 404 or 403. */
  readonly refused: number;
  readonly wrongRange: number;
  /** The body breaks off. */
  readonly reset: number;
  readonly stall: number;
}

export const FAIR_NETWORK: NetworkWeather = {
  latency: 40,
  gap: 8,
  unreachable: 0,
  overloaded: 0,
  refused: 0,
  wrongRange: 0,
  reset: 0,
  stall: 0,
};

/** One resource of an origin, with all versions that it ever had. */
export class SimulatedResource {
  readonly index: number;
  readonly traits: OriginTraits;
  readonly versions: Version[] = [];
  readonly #random: SeededRandom;
  current: Version;
  weather: NetworkWeather = FAIR_NETWORK;
  /** The signature that links must carry. */
  signature = 0;

  constructor(index: number, traits: OriginTraits, random: SeededRandom) {
    this.index = index;
    this.traits = traits;
    this.#random = random;
    this.current = this.#newVersion();
  }

  get url(): string {
    return `https://origin.test/${this.index}/film.mkv?signature=${this.signature}`;
  }

  /** Has another version from now on: a new one, or one that it had before. */
  change(): void {
    const others = this.versions.filter((version) => version !== this.current);
    const goesBack = this.versions.length === MAX_VERSIONS || (others.length > 0 && this.#random.chance(0.2));
    this.current = goesBack ? this.#random.pick(others) : this.#newVersion();
  }

  /** The versions that are described so; more than one where only the length could tell them apart, and it does not. */
  described(etag: string | null, lastModified: string | null, total: number | null): Version[] {
    return this.versions.filter(
      (version) => version.etag === etag && version.lastModified === lastModified && (total === null || version.size === total),
    );
  }

  #newVersion(): Version {
    const { naming, maxSize } = this.traits;
    const number = this.versions.length;
    let size: number;
    do {
      size = this.#random.between(1, maxSize);
    } while (naming !== 'etag' && this.versions.some((version) => version.size === size));
    const version: Version = {
      number,
      size,
      content: contentOf(1 + this.index * MAX_VERSIONS + number),
      etag: naming === 'etag' ? `"${this.index}-${number}"` : null,
      lastModified: naming === 'last-modified' ? `Thu, 0${number + 1} Jan 2026 00:00:00 GMT` : null,
    };
    this.versions.push(version);
    return version;
  }
}

/** Every resource there is, as the network has them. */
export class SimulatedNetwork {
  readonly resources: readonly SimulatedResource[];
  readonly random: SeededRandom;
  readonly log: (line: string) => void;
  /** How many requests were answered, and with what. */
  readonly counts = new Map<string, number>();

  constructor(resources: readonly SimulatedResource[], random: SeededRandom, log: (line: string) => void) {
    this.resources = resources;
    this.random = random;
    this.log = log;
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }
}

function resourceAt(network: SimulatedNetwork, url: string): { readonly resource: SimulatedResource; readonly signature: number } {
  const { pathname, searchParams } = new URL(url);
  const resource = network.resources[Number(pathname.split('/')[1])];
  if (resource === undefined) throw new Error(`there is no ${url}`);
  return { resource, signature: Number(searchParams.get('signature')) };
}

/** The header fields and the piece of the body that a server sends for the current version. */
function answerOf(resource: SimulatedResource, { range, expected }: Pick<OriginRequest, 'range' | 'expected'>) {
  const { current: version, traits } = resource;
  const headers: Record<string, string> = { 'content-type': 'video/x-matroska' };
  if (version.etag !== null) headers.etag = version.etag;
  if (version.lastModified !== null) headers['last-modified'] = version.lastModified;
  const condition = expected === null ? null : ifRangeOf(expected.validator);
  const applies = condition === null || condition === version.etag || condition === version.lastModified;
  const wanted: RangeSpec | null = traits.ranges && traits.givesLength && applies ? range : null;
  if (wanted === null) {
    if (traits.givesLength) headers['content-length'] = String(version.size);
    return { head: { status: 200, headers }, piece: { start: 0, end: version.size - 1 }, version };
  }
  const piece = resolveRange(wanted, version.size);
  if (piece === null) return { head: { status: 416, headers: { 'content-range': unsatisfiedRangeOf(version.size) } }, piece, version };
  headers['content-range'] = contentRangeOf(piece, version.size);
  headers['content-length'] = String(lengthOf(piece));
  return { head: { status: 206, headers }, piece, version };
}

/** The network as one simulated process reaches it. What answers mean is the product's own to say. */
export class SimulatedOriginClient implements OriginClient {
  readonly #network: SimulatedNetwork;
  readonly #scheduler: Scheduler;
  readonly #clock: SimulatedClock;
  readonly #life: Life;
  #closed = false;

  constructor(network: SimulatedNetwork, scheduler: Scheduler, clock: SimulatedClock, life: Life) {
    this.#network = network;
    this.#scheduler = scheduler;
    this.#clock = clock;
    this.#life = life;
  }

  open(request: OriginRequest, signal?: AbortSignal): Promise<OriginAnswer> {
    return new Promise((resolve) => {
      const givenUp = (): void => resolve(transient(new SeekwellError('CLOSED', 'the request was given up')));
      if (this.#closed || signal?.aborted === true) return givenUp();
      const { resource } = resourceAt(this.#network, request.location.url);
      const timer = this.#scheduler.after(this.#network.random.fraction() * resource.weather.latency, this.#life, () => {
        signal?.removeEventListener('abort', abort);
        resolve(this.#answer(request));
      });
      const abort = (): void => {
        timer.cancel();
        givenUp();
      };
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #answer(request: OriginRequest): OriginAnswer {
    const { resource, signature } = resourceAt(this.#network, request.location.url);
    const { random } = this.#network;
    const { weather } = resource;
    if (this.#closed) return transient(new SeekwellError('CLOSED', 'the request was given up'));
    if (random.chance(weather.unreachable)) return transient(new SeekwellError('ORIGIN_UNREACHABLE', 'origin.test cannot be reached'));
    const head = this.#failure(resource, signature);
    if (head !== null) return this.#meaning(request, head) as OriginAnswer;
    const answer = answerOf(resource, request);
    if (answer.piece !== null && answer.head.status === 206 && random.chance(weather.wrongRange)) {
      const start = Math.max(0, answer.piece.start + random.pick([-1, 1, 512]));
      answer.head.headers['content-range'] = contentRangeOf({ start, end: Math.max(start, answer.piece.end) }, answer.version.size);
    }
    const meaning = this.#meaning(request, answer.head);
    if (meaning.kind !== 'bytes') return meaning;
    const bytes = answer.version.content.subarray(meaning.start, (meaning.end ?? answer.version.size - 1) + 1);
    return { ...meaning, body: new SimulatedBody(bytes, resource, random, this.#scheduler, this.#life) };
  }

  #failure({ weather, signature }: SimulatedResource, sent: number): AnswerHead | null {
    const { random } = this.#network;
    if (random.chance(weather.overloaded)) {
      const headers: Record<string, string> = random.chance(0.5) ? { 'retry-after': String(random.between(0, 30)) } : {};
      return { status: random.pick([429, 503]), headers };
    }
    if (sent !== signature) return { status: 403, headers: {} };
    return random.chance(weather.refused) ? { status: random.pick([403, 404]), headers: {} } : null;
  }

  #meaning(request: OriginRequest, head: AnswerHead): ReturnType<typeof meaningOf> {
    const meaning = meaningOf(request, head, this.#clock.now());
    this.#network.count(`${head.status} ${meaning.kind}`);
    const asked =
      request.range === null
        ? ''
        : request.range.kind === 'suffix'
          ? `-${request.range.length}`
          : `${request.range.start}-${request.range.end ?? ''}`;
    this.#network.log(`origin ${request.location.url} ${asked}: ${head.status} ${meaning.kind}`);
    return meaning;
  }
}

function transient(error: SeekwellError): OriginAnswer {
  return { kind: 'transient', error, retryAfterMs: null };
}

/** A body under way: comes in pieces of any size, may break off or fall silent. */
class SimulatedBody implements OriginBody {
  readonly #bytes: Buffer;
  readonly #resource: SimulatedResource;
  readonly #random: SeededRandom;
  readonly #scheduler: Scheduler;
  readonly #life: Life;
  /** How much comes; less than all: then it breaks off. */
  readonly #comes: number;
  readonly #stalls: boolean;
  #sink: BodySink | null = null;
  #sent = 0;
  #paused = false;
  #over = false;
  #awaited = false;

  constructor(bytes: Buffer, resource: SimulatedResource, random: SeededRandom, scheduler: Scheduler, life: Life) {
    this.#bytes = bytes;
    this.#resource = resource;
    this.#random = random;
    this.#scheduler = scheduler;
    this.#life = life;
    const { reset, stall } = resource.weather;
    this.#stalls = random.chance(stall);
    this.#comes = this.#stalls || random.chance(reset) ? random.between(0, bytes.length - 1) : bytes.length;
  }

  start(sink: BodySink): void {
    this.#sink = sink;
    this.#next();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#next();
  }

  abort(): void {
    this.#over = true;
  }

  #next(): void {
    if (this.#over || this.#paused || this.#awaited) return;
    this.#awaited = true;
    const silent = this.#stalls && this.#sent === this.#comes;
    const wait = silent ? STALL_MS : this.#random.fraction() * this.#resource.weather.gap;
    this.#scheduler.after(wait, this.#life, () => {
      this.#awaited = false;
      if (this.#over || this.#paused) return;
      if (this.#sent < this.#comes) this.#sendSome();
      else this.#end();
      this.#next();
    });
  }

  #sendSome(): void {
    const most = this.#random.pick([700, 16 * 1024, 64 * 1024, 64 * 1024, 200 * 1024]);
    const end = Math.min(this.#comes, this.#sent + this.#random.between(1, most));
    const piece = Buffer.from(this.#bytes.subarray(this.#sent, end));
    this.#sent = end;
    this.#sink?.data(piece);
  }

  #end(): void {
    this.#over = true;
    if (this.#sent === this.#bytes.length) this.#sink?.end(null);
    else if (this.#stalls) this.#sink?.end(new SeekwellError('ORIGIN_TIMEOUT', 'origin.test sent nothing for 15 s'));
    else this.#sink?.end(new SeekwellError('ORIGIN_UNREACHABLE', 'the connection broke off'));
  }
}
