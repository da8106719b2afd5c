import type { Settings } from '../../config/load-settings.ts';
import { SeekwellError } from '../../errors.ts';

/**
 * What each of `settings.workers` processes may do, so that all together keep what the user was promised for the whole daemon: rates and connections are
 * divided among them. For one entry each process may have a connection of its own, since each has readers of its own.
 * @throws SeekwellError BAD_OPTION there are more processes than connections to an origin
 */
export function dividedSettings(settings: Settings): Settings {
  const { workers, connections, connectionsPerOrigin, limitRate, backgroundLimitRate, scrubRate } = settings;
  if (connectionsPerOrigin < workers) {
    throw new SeekwellError('BAD_OPTION', `${workers} workers cannot share ${connectionsPerOrigin} connections to an origin`, {
      hint: `Lower --workers, or raise --connections-per-origin to ${workers} at least.`,
    });
  }
  return {
    ...settings,
    connections: Math.max(1, Math.floor(connections / workers)),
    connectionsPerOrigin: Math.floor(connectionsPerOrigin / workers),
    limitRate: partOf(limitRate, workers),
    backgroundLimitRate: partOf(backgroundLimitRate, workers),
    scrubRate: partOf(scrubRate, workers),
  };
}

/** Whole bytes a second, and never none. */
function partOf(rate: number | null, workers: number): number | null {
  return rate === null ? null : Math.max(1, Math.floor(rate / workers));
}
