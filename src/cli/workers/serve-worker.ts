import type { ProcessCounts } from '../../process-counts.ts';
import { reportFailure } from '../failure.ts';
import { type ProcessLogger, processLogger } from '../process-logger.ts';
import { type Serving, startServing, stopServing } from '../serving.ts';
import { outliveClosedOutputs } from '../terminal.ts';
import { Answers } from './answers.ts';
import { EventRelay } from './event-relay.ts';
import type { Start, ToPrimary, ToWorker } from './messages.ts';

// One of the processes of `serve --workers N`. It does what its primary says; when that dies node:cluster ends this process too.

/** A process whose parent died learns of another parent within this time, in milliseconds. */
const ORPHANED_MS = 100;
/** How long to wait for the counts of the others, in milliseconds; more than the primary waits for each. */
const COUNT_PATIENCE_MS = 2_000;

function tell(message: ToPrimary): void {
  // The primary died: so will this process.
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}

/** What was fetched is recorded as far as it was told to be: the cache is as good as before. */
function quit(log: ProcessLogger, code: number): never {
  log.flush();
  process.exit(code);
}

interface Work extends Serving {
  readonly log: ProcessLogger;
  readonly drainMs: number | null;
  readonly counted: Answers<ProcessCounts>;
  readonly relay: EventRelay;
}

/** What comes while it starts waits for that. */
let work: Promise<Work> | null = null;
/** It was told to stop, or let go of: both come, in either order. */
let stopping: Promise<void> | null = null;

async function start({ settings, token, drainMs }: Start): Promise<Work> {
  const log = await processLogger(settings);
  try {
    const { systemClock } = await import('../../clock.ts');
    const counted = new Answers<ProcessCounts>(systemClock);
    const countAll = async (own: ProcessCounts): Promise<ProcessCounts> =>
      (await counted.of((id) => tell({ kind: 'countAll', id }), COUNT_PATIENCE_MS)) ?? own;
    const serving = await startServing(settings, token, log, countAll);
    const { emitter, clock } = serving.cache;
    const relay = new EventRelay({
      emitter,
      clock,
      tell: (events) => tell({ kind: 'happened', events }),
      watched: (on) => tell({ kind: 'watched', on }),
    });
    tell({ kind: 'ready', url: serving.server.url });
    return { ...serving, log, drainMs, counted, relay };
  } catch (error) {
    return quit(log, reportFailure(error));
  }
}

async function stop({ cache, server, log, drainMs }: Work): Promise<void> {
  try {
    await stopServing({ cache, server }, drainMs);
  } catch (error) {
    quit(log, reportFailure(error));
  }
  quit(log, 0);
}

function stopOnce(ready: Work): Promise<void> {
  stopping ??= stop(ready);
  return stopping;
}

async function follow(message: ToWorker): Promise<void> {
  if (message.kind === 'start') {
    work = start(message);
    return;
  }
  const ready = await work;
  // It is to stop before it was told what to serve.
  if (ready === null) process.exit(0);
  if (message.kind === 'drain') await stopOnce(ready);
  else if (message.kind === 'count') tell({ kind: 'counted', id: message.id, counts: ready.server.counts() });
  else if (message.kind === 'counted') ready.counted.came(message.id, message.counts);
  else if (message.kind === 'tell') ready.relay.telling = message.on;
  else ready.relay.repeat(message.events);
}

/** The primary has let go of this process: its connections are over, and so is its work. Or the primary died: at once, as at any other time. */
function letGo(): void {
  void follow({ kind: 'drain' });
  setTimeout(() => process.ppid !== primary && process.exit(0), ORPHANED_MS);
}

outliveClosedOutputs();
const primary = process.ppid;
process.on('disconnect', letGo);
// A terminal sends these to every process; what happens then is for the primary to say.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});
process.on('message', (message: ToWorker) => void follow(message));
tell({ kind: 'here' });
