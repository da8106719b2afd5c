import type { Command } from '@commander-js/extra-typings';
import { type Flags, loadSettings, type Settings, tokenOf } from '../../config/load-settings.ts';
import { isLoopback } from '../../config/loopback.ts';
import { SETTING_NAMES } from '../../config/settings-schema.ts';
import { SeekwellError } from '../../errors.ts';
import type { FileCache } from '../../file-cache.ts';
import type { RunningServer } from '../../server.ts';
import { configOption, engineOptions, openCache } from '../open-cache.ts';
import { type ProcessLogger, processLogger } from '../process-logger.ts';
import { settingOption } from '../setting-options.ts';
import { type EndSignal, onEndSignals, stalled } from '../shutdown.ts';

/** How long streams may go on after the first signal, on a terminal: whoever presses Ctrl-C waits for the prompt. */
const TERMINAL_DRAIN_MS = 5_000;

/** What a timer of Node can count, about 24 days. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

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

async function open(
  settings: Settings,
  token: string | null,
  { logger }: ProcessLogger,
): Promise<{ cache: FileCache; server: RunningServer }> {
  const scrubbing = settings.scrubRate === null ? {} : { scrubRate: settings.scrubRate };
  const cache = await openCache({ ...engineOptions(settings), ...scrubbing, logger, background: true });
  try {
    const { startServer } = await import('../../server.ts');
    const { host, port, allowedHost = [], publicUrl = null } = settings;
    return { cache, server: await startServer(cache, { host, port, token, allowedHosts: allowedHost, publicUrl, logger }) };
  } catch (error) {
    await cache.close();
    throw error;
  }
}

/**
 * Stops accepting and lets streams end. Without a limit of time they may go on as long as bytes move in any of them: the service manager has its own
 * limit, and a player that holds enough for a while comes back when the daemon does.
 */
async function drain(server: RunningServer, { traffic }: FileCache, limit: number | null): Promise<void> {
  const closed = server.close(Math.min(limit ?? LONGEST_TIMER_MS, LONGEST_TIMER_MS));
  if (limit !== null) return closed;
  const drained = new AbortController();
  void closed.finally(() => drained.abort());
  await stalled(() => traffic.hitBytes + traffic.missBytes, drained.signal);
  return server.close(0);
}

async function serve(flags: Flags): Promise<void> {
  const settings = await loadSettings(flags);
  const token = await tokenOf(settings);
  refuseOpenDoor(settings, token);
  const log = await processLogger(settings);
  // At once: whatever the process was doing, the cache is as good as before.
  const quit = (): never => {
    log.flush();
    process.exit(0);
  };
  // Before it listens there is nothing to wait for.
  let onFirst: (signal: EndSignal) => void = quit;
  onEndSignals((signal) => onFirst(signal), quit);
  try {
    const { cache, server } = await open(settings, token, log);
    const ended = new Promise<EndSignal>((resolve) => {
      onFirst = resolve;
    });
    process.stdout.write(`Seekwell is listening on ${server.url}\n`);
    log.logger.info({ url: server.url, cacheDir: settings.cacheDir }, 'listening');
    const signal = await ended;
    log.logger.info({ signal }, 'shutting down');
    await drain(server, cache, drainTime(settings));
    await cache.close();
  } catch (error) {
    log.flush();
    throw error;
  }
  // Whatever else would keep the process: it was asked to end.
  quit();
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
