import cluster, { type Worker } from 'node:cluster';
import { fileURLToPath } from 'node:url';
import type { Clock, Timer } from '../../clock.ts';
import type { Logger } from '../../logger.ts';
import { afterItsEnd, type ProcessCounts, together, withoutCache } from '../../process-counts.ts';
import { Answers } from './answers.ts';
import type { Start, ToPrimary, ToWorker } from './messages.ts';

/** A worker that ends sooner than this after its start, in milliseconds, makes the next one wait. */
const SETTLED_MS = 10_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 30_000;
/** A worker that does not tell its counts within this time, in milliseconds, is taken for what it told last. */
const COUNT_PATIENCE_MS = 500;
/** Sets apart the streams of one worker from those of another: no process opens as many. */
const STREAMS_OF_ONE = 2 ** 32;

/** How a worker ended that was not asked to. */
export interface Ending {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
}

export interface PoolParts {
  /** Processes, at least 1. */
  readonly count: number;
  readonly start: Start;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Member {
  readonly worker: Worker;
  readonly startedAt: number;
  /** Where it listens; null: not yet. */
  url: string | null;
  watched: boolean;
  /** What it told last. */
  counts: ProcessCounts | null;
}

/**
 * The processes that share the port and the cache folder. Connections are handed out in turn (node:cluster); each worker is a whole cache of its own, and
 * they agree through the database alone. One that ends unasked is replaced.
 */
export class WorkerPool {
  readonly #parts: PoolParts;
  readonly #members = new Set<Member>();
  readonly #counted: Answers<ProcessCounts>;
  readonly #pauses = new Set<Timer>();
  /** What only grows of those that ended: a sum must not fall. */
  #ended: readonly ProcessCounts[] = [];
  /** How many ended soon after their start, in a row. */
  #soonEnded = 0;
  #stopping = false;
  /** Where the first one listened: all others must. */
  #url: string | null = null;
  /** What they ask for: with 0 all that live have the port that the system gave the first one. */
  #port: number;

  constructor(parts: PoolParts) {
    this.#parts = parts;
    this.#port = parts.start.settings.port;
    this.#counted = new Answers(parts.clock);
    // Not JSON: a size may be Infinity.
    cluster.setupPrimary({ exec: fileURLToPath(new URL('./serve-worker.js', import.meta.url)), args: [], serialization: 'advanced' });
  }

  /**
   * Starts all of them, the first alone: what keeps it from serving would keep the others, and is to be said once.
   * @returns where they listen, or how one ended that could not start; it has said why
   */
  async open(): Promise<string | Ending> {
    const first = await this.#launch().outcome;
    if (typeof first !== 'string') return first;
    const others = await Promise.all(Array.from({ length: this.#parts.count - 1 }, () => this.#launch().outcome));
    return others.find((other) => typeof other !== 'string') ?? first;
  }

  /** Lets streams end, and resolves once every worker has. */
  async drain(): Promise<void> {
    this.#stop();
    const ended = [...this.#members].map(({ worker }) => new Promise((resolve) => worker.once('exit', resolve)));
    // Here first: a connection that is handed to a worker which has just stopped listening would be nobody's, its client waiting. What was handed out before reaches the
    // worker before this does.
    for (const { worker } of this.#members) worker.disconnect();
    this.#tellAll({ kind: 'drain' });
    await Promise.all(ended);
  }

  /** Ends them at once. */
  kill(): void {
    this.#stop();
    for (const { worker } of this.#members) worker.process.kill('SIGKILL');
  }

  #stop(): void {
    this.#stopping = true;
    for (const pause of this.#pauses) pause.cancel();
  }

  /** Starts one; its outcome comes once it listens, or has ended before. */
  #launch(): { readonly member: Member; readonly outcome: Promise<string | Ending> } {
    const worker = cluster.fork();
    const member: Member = { worker, startedAt: this.#parts.clock.monotonic(), url: null, watched: false, counts: null };
    this.#members.add(member);
    const outcome = new Promise<string | Ending>((resolve) => {
      worker.on('message', (message: ToPrimary) => {
        if (message.kind === 'here') return send(member, this.#stopping ? { kind: 'drain' } : { kind: 'start', ...this.#start() });
        if (message.kind !== 'ready') return void this.#heard(member, message);
        this.#url ??= message.url;
        // It asked for any port just when the last one that had the right one ended.
        if (message.url !== this.#url) return void worker.process.kill('SIGKILL');
        member.url = message.url;
        send(member, { kind: 'tell', on: this.#isWatchedBeside(member) });
        resolve(message.url);
      });
      // One that cannot be written to any more is about to end.
      worker.on('error', (error) => this.#parts.logger.debug({}, `a worker cannot be reached: ${error.message}`));
      worker.on('exit', (code: number | null, signal: string | null) => {
        this.#members.delete(member);
        if (member.counts !== null) this.#ended = [together(afterItsEnd(member.counts), ...this.#ended)];
        this.#settleWatching();
        if (member.url === null) resolve({ code, signal });
        else this.#replace(member, { code, signal });
      });
    });
    return { member, outcome };
  }

  #start(): Start {
    // Nobody holds the port any more: 0 would be another one now.
    const isFree = this.#url !== null && [...this.#members].every(({ url }) => url === null);
    if (isFree && this.#port === 0) this.#port = Number(new URL(this.#url ?? '').port);
    const { start } = this.#parts;
    return { ...start, settings: { ...start.settings, port: this.#port } };
  }

  #replace({ worker, startedAt }: Member, ending: Ending): void {
    if (this.#stopping) return;
    const { clock, logger } = this.#parts;
    this.#soonEnded = clock.monotonic() - startedAt < SETTLED_MS ? this.#soonEnded + 1 : 0;
    const pause = this.#soonEnded === 0 ? 0 : Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (this.#soonEnded - 1));
    logger.warn({ worker: worker.process.pid, ...ending, pause }, 'a worker ended unasked; another one takes its place');
    const timer = clock.after(pause, () => {
      this.#pauses.delete(timer);
      void this.#startAgain();
    });
    this.#pauses.add(timer);
  }

  async #startAgain(): Promise<void> {
    const { member, outcome } = this.#launch();
    const started = await outcome;
    if (typeof started === 'string') this.#parts.logger.info({ worker: member.worker.process.pid }, 'a worker started');
    else this.#replace(member, started);
  }

  async #heard(member: Member, message: Exclude<ToPrimary, { kind: 'ready' | 'here' }>): Promise<void> {
    if (message.kind === 'countAll') {
      send(member, { kind: 'counted', id: message.id, counts: await this.#count() });
    } else if (message.kind === 'counted') {
      member.counts = message.counts;
      this.#counted.came(message.id, message.counts);
    } else if (message.kind === 'watched') {
      member.watched = message.on;
      this.#settleWatching();
    } else {
      const events = message.events.map(
        ({ name, event }) => ({ name, event: apart(event, member.worker.id) }) as (typeof message.events)[number],
      );
      for (const other of this.#members) if (other !== member && other.watched) send(other, { kind: 'happened', events });
    }
  }

  /** What all of them count, those that ended included, and this process. */
  async #count(): Promise<ProcessCounts> {
    const serving = [...this.#members].filter(({ url }) => url !== null);
    const told = await Promise.all(
      serving.map(async (member) => {
        const now = await this.#counted.of((id) => send(member, { kind: 'count', id }), COUNT_PATIENCE_MS);
        // One that ended meanwhile is among those that ended.
        return this.#members.has(member) ? (now ?? member.counts) : null;
      }),
    );
    return together(withoutCache(), ...this.#ended, ...told.filter((counts) => counts !== null));
  }

  /** Only what somebody sees is passed between processes. */
  #settleWatching(): void {
    for (const member of this.#members) if (member.url !== null) send(member, { kind: 'tell', on: this.#isWatchedBeside(member) });
  }

  #isWatchedBeside(member: Member): boolean {
    return [...this.#members].some((other) => other !== member && other.watched);
  }

  #tellAll(message: ToWorker): void {
    for (const member of this.#members) send(member, message);
  }
}

function send({ worker }: Member, message: ToWorker): void {
  // What cannot be delivered was for a process that is about to end.
  if (worker.isConnected()) worker.process.send(message, undefined, undefined, () => {});
}

/** Streams are numbered by each process for itself. */
function apart<Event extends object>(event: Event, workerId: number): Event {
  return 'streamId' in event ? { ...event, streamId: workerId * STREAMS_OF_ONE + Number(event.streamId) } : event;
}
