import pino from 'pino';
import type { Settings } from '../config/load-settings.ts';
import type { Logger } from '../logger.ts';

const STDERR = 2;

/** A logger on stderr, and how to write what it still holds before the process ends. */
export interface ProcessLogger {
  readonly logger: Logger;
  flush(): void;
}

async function prettyStream(): Promise<pino.DestinationStream> {
  const { default: pretty } = await import('pino-pretty');
  return pretty({
    destination: STDERR,
    sync: true,
    colorize: process.stderr.isTTY,
    singleLine: true,
    ignore: 'pid,hostname',
    translateTime: 'SYS:HH:MM:ss.l',
  });
}

export async function processLogger({ logFormat, logLevel }: Settings): Promise<ProcessLogger> {
  const format = logFormat ?? (process.stderr.isTTY ? 'pretty' : 'json');
  if (format === 'pretty') return { logger: pino({ level: logLevel }, await prettyStream()), flush: () => {} };
  // Not synchronous: a reader of the log that stands still must not stop the streams.
  const destination = pino.destination({ dest: STDERR, sync: false });
  // Nobody reads the log any more: go on without.
  destination.on('error', () => {});
  return { logger: pino({ level: logLevel, timestamp: pino.stdTimeFunctions.isoTime }, destination), flush: () => flush(destination) };
}

/** What is left goes out now, where anybody takes it. */
function flush(destination: { flushSync(): void }): void {
  try {
    destination.flushSync();
  } catch {
    // A closed pipe, or a destination that never opened: there is nobody to tell.
  }
}
