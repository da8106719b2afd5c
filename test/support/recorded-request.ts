import type { IncomingHttpHeaders } from 'node:http';
import type { ByteRange } from '#seekwell/core/byte-ranges';

/** Lets tests wait for something to become true. Whoever changes what a condition looks at calls `notify`. */
export class Changes {
  readonly #waiting = new Set<() => void>();

  notify(): void {
    for (const look of this.#waiting) look();
  }

  /** Resolves as soon as `condition` holds, at once where it holds already. The test's own time limit bounds the wait. */
  until(condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve) => {
      const look = (): void => {
        if (!condition()) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
    });
  }
}

/** How an answer ended. `running` until then; `client-closed`: before all bytes were sent; `broken`: the script broke it off. */
export type Outcome = 'running' | 'complete' | 'client-closed' | 'broken';

/** One request as the origin saw it, and what became of it. */
export class RecordedRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Milliseconds of the monotonic clock. */
  readonly startedAt = performance.now();
  /** The version of the resource that answered; 0 where there was no resource. */
  readonly version: number;
  /** 0 until the headers were sent. */
  status = 0;
  /** The bytes of the resource that the answer promised; null where it promised none. */
  range: ByteRange | null = null;
  /** Bytes of the resource that the kernel took. What a client that closed had not read is in it. */
  bytesSent = 0;
  outcome: Outcome = 'running';
  /** When the answer ended, for whatever reason, on the clock of `startedAt`; null before. */
  endedAt: number | null = null;
  readonly #changes: Changes;
  #held = false;

  constructor(method: string, path: string, headers: IncomingHttpHeaders, version: number, changes: Changes) {
    this.method = method;
    this.path = path;
    this.headers = headers;
    this.version = version;
    this.#changes = changes;
  }

  /** The Range header as it came, or null. */
  get rangeHeader(): string | null {
    return this.headers.range ?? null;
  }

  /** The bytes of the resource that were sent so far, or null where there are none. */
  get sent(): ByteRange | null {
    if (this.range === null || this.bytesSent === 0) return null;
    return { start: this.range.start, end: this.range.start + this.bytesSent - 1 };
  }

  /** Whether the answer stands still because the script says so. */
  get held(): boolean {
    return this.#held;
  }

  /** Lets a held answer go on. */
  release(): void {
    this.#held = false;
    this.#changes.notify();
  }

  /** Resolves once the answer stands still because the script says so. */
  untilHeld(): Promise<void> {
    return this.#changes.until(() => this.#held);
  }

  /** Resolves once the answer ended, for whatever reason. */
  untilEnded(): Promise<void> {
    return this.#changes.until(() => this.outcome !== 'running');
  }

  waitForBytes(count: number): Promise<void> {
    return this.#changes.until(() => this.bytesSent >= count);
  }

  /** For the origin: stands still until `release`, or until the answer ended. */
  async hold(): Promise<void> {
    if (this.outcome !== 'running') return;
    this.#held = true;
    this.#changes.notify();
    await this.#changes.until(() => !this.#held || this.outcome !== 'running');
    this.#held = false;
  }

  /** For the origin: waits until `gate` lets the answer go beyond `at`, or the answer ended; returns what the gate said. */
  async passed(gate: (at: number) => number, at: number): Promise<number> {
    await this.#changes.until(() => gate(at) > at || this.outcome !== 'running');
    return gate(at);
  }

  /** For the origin. */
  noteSent(bytes: number): void {
    this.bytesSent += bytes;
    this.#changes.notify();
  }

  /** For the origin. The first word counts: a connection that the script broke closes, too. */
  noteEnd(outcome: Outcome): void {
    if (this.outcome !== 'running') return;
    this.outcome = outcome;
    this.endedAt = performance.now();
    this.#changes.notify();
  }
}

/** Bytes that were all sent equally often. */
export interface Coverage extends ByteRange {
  /** At least 1. */
  readonly times: number;
}

/** How often each byte was sent: sorted runs, without those that were never sent. `once each` is one run per connected piece, times 1. */
export function coverageOf(requests: readonly RecordedRequest[]): Coverage[] {
  const steps = new Map<number, number>();
  const step = (at: number, by: number): void => {
    steps.set(at, (steps.get(at) ?? 0) + by);
  };
  for (const { sent } of requests) {
    if (sent === null) continue;
    step(sent.start, 1);
    step(sent.end + 1, -1);
  }
  const runs: Coverage[] = [];
  let times = 0;
  let from = 0;
  for (const [at, by] of [...steps].sort(([a], [b]) => a - b)) {
    // A step of 0 is where one answer ends and the next begins: no edge.
    if (by === 0) continue;
    if (times > 0) runs.push({ start: from, end: at - 1, times });
    times += by;
    from = at;
  }
  return runs;
}

/** Requests in the order in which they came, and waiting for more of them. */
export class RequestLog {
  readonly requests: RecordedRequest[] = [];
  readonly changes: Changes;
  #handedOut = 0;

  constructor(changes: Changes) {
    this.changes = changes;
  }

  /** Bytes of resources that were sent, those sent again included. */
  get bytesSent(): number {
    return this.requests.reduce((sum, request) => sum + request.bytesSent, 0);
  }

  /** Answers under way. */
  get running(): number {
    return this.requests.filter((request) => request.outcome === 'running').length;
  }

  /** The first request that this method has not returned yet; waits until it comes. So none is missed and none comes twice. */
  async nextRequest(): Promise<RecordedRequest> {
    const index = this.#handedOut++;
    await this.waitForRequests(index + 1);
    const request = this.requests[index];
    if (request === undefined) throw new Error(`request ${index} was announced and is not there`);
    return request;
  }

  waitForRequests(count: number): Promise<void> {
    return this.changes.until(() => this.requests.length >= count);
  }

  waitForBytes(count: number): Promise<void> {
    return this.changes.until(() => this.bytesSent >= count);
  }

  /** Resolves once no answer is under way. */
  untilIdle(): Promise<void> {
    return this.changes.until(() => this.running === 0);
  }
}
