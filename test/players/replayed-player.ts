import { Agent, type IncomingMessage, request } from 'node:http';
import { type ByteRange, normalize } from '#seekwell/core/byte-ranges';
import type { ScriptedResource } from '../support/scripted-resource.ts';
import { firstDifference } from '../support/seeded-bytes.ts';
import type { PlayerFixture, PlayerRequest } from './fixture.ts';

/** The bytes that a player took of one answer. */
function takenOf({ start, taken }: PlayerRequest): ByteRange {
  return { start, end: start + taken - 1 };
}

/** A promise and the means to settle it. Nobody has to wait for it: its failure is not unhandled. */
class Moment {
  readonly promise: Promise<void>;
  come: () => void = () => {};
  fail: (error: Error) => void = () => {};

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.come = resolve;
      this.fail = reject;
    });
    this.promise.catch(() => {});
  }
}

/** A recorded request that is made again: it takes as many bytes as the player did, then stands still until it leaves. */
export class ReplayedRequest {
  readonly recorded: PlayerRequest;
  readonly #film: ScriptedResource;
  #taken = 0;
  #wrongAt: number | null = null;
  #response: IncomingMessage | null = null;
  readonly #firstByte = new Moment();
  readonly #hasTaken = new Moment();
  readonly #over = new Moment();

  constructor(recorded: PlayerRequest, url: string, film: ScriptedResource, agent: Agent) {
    this.recorded = recorded;
    this.#film = film;
    const headers: Record<string, string> = { ...recorded.headers };
    // The recording's origin had another tag.
    if (headers['if-range'] !== undefined) headers['if-range'] = film.etag;
    const sent = request(url, { headers, agent }, (response) => this.#take(response));
    sent.on('error', (error) => this.#fail(error));
    sent.end();
  }

  /** What the player took of the film. */
  get wanted(): ByteRange {
    return takenOf(this.recorded);
  }

  /** Resolves with the first byte. */
  get firstByte(): Promise<void> {
    return this.#firstByte.promise;
  }

  /** Does what the player did at the end: takes what it took, then leaves, or sees the answer's end. Resolves with the first wrong byte's offset. */
  async finish(): Promise<number | null> {
    await this.#hasTaken.promise;
    if (this.recorded.end === 'complete') await this.#over.promise;
    else this.#response?.destroy();
    return this.#wrongAt;
  }

  #take(response: IncomingMessage): void {
    this.#response = response;
    const { start, taken } = this.recorded;
    const expected = `bytes ${start}-`;
    if (response.statusCode !== 206 || response.headers['content-range']?.startsWith(expected) !== true)
      this.#fail(new Error(`${response.statusCode} with Content-Range ${response.headers['content-range']} instead of ${expected}`));
    response.on('data', (chunk: Buffer) => {
      this.#firstByte.come();
      this.#wrongAt ??= firstDifference(this.#film.seed, start + this.#taken, chunk);
      this.#taken += chunk.length;
      if (this.#taken < taken) return;
      this.#hasTaken.come();
      if (this.recorded.end === 'left') response.pause();
    });
    response.on('end', () => this.#over.come());
    response.on('error', (error) => this.#fail(error));
  }

  #fail(error: Error): void {
    for (const waiting of [this.#firstByte, this.#hasTaken, this.#over]) waiting.fail(error);
  }
}

/** Makes a recording's requests again, in the order in which the player opened and left them. When the player waited for its viewer, this does not. */
export class ReplayedPlayer {
  readonly #requests: readonly PlayerRequest[];
  readonly #film: ScriptedResource;
  readonly #url: string;
  readonly #agents = new Map<number, Agent>();
  readonly #open = new Map<PlayerRequest, ReplayedRequest>();

  /** @param film as large as the recording's */
  constructor(fixture: PlayerFixture, film: ScriptedResource, url: string) {
    // Of one that the player left before its first byte nothing can be told.
    this.#requests = fixture.requests.filter(({ taken }) => taken > 0);
    this.#film = film;
    this.#url = url;
  }

  /** What it takes of the film, each byte once. */
  get wanted(): ByteRange[] {
    return normalize(this.#requests.map(takenOf));
  }

  /** The requests that have not left. */
  get open(): ReplayedRequest[] {
    return [...this.#open.values()];
  }

  /** Calls `opened` when a request was made, and `left` with the offset of its first wrong byte (null: all are right) when one has left. */
  async play(opened: (request: ReplayedRequest) => Promise<void>, left: (wrongAt: number | null) => Promise<void>): Promise<void> {
    const requests = this.#requests;
    const events = [
      ...requests.map((recorded) => ({ at: recorded.at, recorded, opens: true })),
      ...requests.map((recorded) => ({ at: recorded.until, recorded, opens: false })),
    ];
    // Where both happened within a millisecond, a request opens before it leaves.
    events.sort((a, b) => a.at - b.at || Number(b.opens) - Number(a.opens));
    try {
      for (const { recorded, opens } of events) {
        if (opens) {
          const made = new ReplayedRequest(recorded, this.#url, this.#film, this.#agentOf(recorded.connection));
          this.#open.set(recorded, made);
          // What the origin may send depends on who is there.
          this.#film.changes.notify();
          await opened(made);
        } else {
          const wrongAt = await this.#open.get(recorded)!.finish();
          this.#open.delete(recorded);
          await left(wrongAt);
        }
      }
    } finally {
      for (const agent of this.#agents.values()) agent.destroy();
    }
  }

  /** A connection of its own for each that the player had. */
  #agentOf(connection: number): Agent {
    const agent = this.#agents.get(connection) ?? new Agent({ keepAlive: true, maxSockets: 1 });
    this.#agents.set(connection, agent);
    return agent;
  }
}
