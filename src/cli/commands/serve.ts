import type { Command } from '@commander-js/extra-typings';
import { type Flags, loadSettings, type Settings, tokenOf } from '../../config/load-settings.ts';
import { isLoopback } from '../../config/loopback.ts';
import { SETTING_NAMES } from '../../config/settings-schema.ts';
import { SeekwellError } from '../../errors.ts';
import { configOption } from '../open-cache.ts';
import { type ProcessLogger, processLogger } from '../process-logger.ts';
import { startServing, stopServing } from '../serving.ts';
import { settingOption } from '../setting-options.ts';
import { type EndSignal, onEndSignals } from '../shutdown.ts';
import type { Ending } from '../workers/worker-pool.ts';

/** How long streams may go on after the first signal, on a terminal: whoever presses Ctrl-C waits for the prompt. */
const TERMINAL_DRAIN_MS = 5_000;

/** @throws SeekwellError BAD_OPTION */
function refuseOpenDoor(settings: Settings, token: string | null): void {
  if (token !== null || isLoopback(settings.host)) return;
  throw new SeekwellError('BAD_OPTION', `listening on ${settings.host} lets others reach the cache, and no token is set`, {
    hint: 'Set one with --token-file, or keep to 127.0.0.1.',
  });
}

/** Milliseconds that streams get after the first signal; null: as long as they move. */
function drainTime({ drainTimeout }: Settings): number | null {
  if (drainTimeout !== undefined) return drainTimeout;
  return process.stdin.isTTY || process.stderr.isTTY ? TERMINAL_DRAIN_MS : null;
}

/** What serves, in this process or in several. */
interface Daemon {
  readonly url: string;
  /** Lets streams end. */
  drain(): Promise<void>;
  /** Ends what would outlive this process. */
  kill(): void;
}

async function alone(settings: Settings, token: string | null, log: ProcessLogger): Promise<Daemon> {
  const serving = await startServing(settings, token, log);
  return { url: serving.server.url, drain: () => stopServing(serving, drainTime(settings)), kill: () => {} };
}

/** What ends the pool is known before it listens. */
interface Pooled {
  kill(): void;
}

/** Null: a worker could not start, and has said why. */
async function shared(
  settings: Settings,
  token: string | null,
  log: ProcessLogger,
  onPool: (pool: Pooled) => void,
): Promise<Daemon | Ending> {
  const { dividedSettings } = await import('../workers/divided-settings.ts');
  const divided = dividedSettings(settings);
  const [{ WorkerPool }, { systemClock }, { tryAddress }] = await Promise.all([
    import('../workers/worker-pool.ts'),
    import('../../clock.ts'),
    import('../../server.ts'),
  ]);
  // Said sooner than by a worker. A port that is any one is chosen by whoever keeps it: another program could take it in between.
  if (settings.port !== 0) await tryAddress(settings.host, settings.port);
  const start = { settings: divided, token, drainMs: drainTime(settings) };
  const pool = new WorkerPool({ count: settings.workers, start, clock: systemClock, logger: log.logger });
  onPool(pool);
  const opened = await pool.open();
  if (typeof opened === 'string') return { url: opened, drain: () => pool.drain(), kill: () => pool.kill() };
  pool.kill();
  return opened;
}

async function serve(flags: Flags): Promise<void> {
  const settings = await loadSettings(flags);
  const token = await tokenOf(settings);
  refuseOpenDoor(settings, token);
  const log = await processLogger(settings);
  let kill = (): void => {};
  // At once: whatever the process was doing, the cache is as good as before.
  const quit = (code = 0): never => {
    kill();
    log.flush();
    process.exit(code);
  };
  // Before it listens there is nothing to wait for.
  let onFirst: (signal: EndSignal) => void = () => quit();
  onEndSignals((signal) => onFirst(signal), quit);
  try {
    const several = settings.workers > 1;
    const daemon = several
      ? await shared(settings, token, log, (pool) => {
          kill = () => pool.kill();
        })
      : await alone(settings, token, log);
    if (!('url' in daemon)) return quit(exitCodeOf(daemon));
    const ended = new Promise<EndSignal>((resolve) => {
      onFirst = resolve;
    });
    process.stdout.write(`Seekwell is listening on ${daemon.url}\n`);
    log.logger.info({ url: daemon.url, cacheDir: settings.cacheDir, workers: settings.workers }, 'listening');
    const signal = await ended;
    log.logger.info({ signal }, 'shutting down');
    await daemon.drain();
  } catch (error) {
    log.flush();
    throw error;
  }
  // Whatever else would keep the process: it was asked to end.
  quit();
}

/** @throws SeekwellError INTERNAL where the worker could not say itself what happened */
function exitCodeOf({ code, signal }: Ending): number {
  if (code !== null && code > 0) return code;
  throw new SeekwellError('INTERNAL', `a worker ended (${signal ?? 'without a reason'}) before it listened`);
}

export function define(program: Command): void {
  const command = program
    .command('serve')
    .summary('run the daemon')
    .description(
      'Runs the daemon: streams, API and dashboard on one port. Each option may also stand in the environment (SEEKWELL_MAX_SIZE) or in the configuration file (max-size).',
    )
    .addOption(configOption());
  for (const name of SETTING_NAMES) command.addOption(settingOption(name));
  command.action((flags) => serve(flags as Flags));
}
