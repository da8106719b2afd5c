import type { Ending } from '../core/ending.ts';
import { LEASE_REACH_MS } from '../repository/cache-repository.ts';
import type { ReaderDemand } from './reader-demand.ts';
import type { ReaderParts } from './reader-options.ts';
import { pause } from './signal.ts';

/** How often a reader that waits for another process looks whether it committed, in milliseconds. */
const POLL_MS = 20;

/** Waits until another process may have committed something, `until` (UTC milliseconds) at the longest, and no longer than any lease lives. */
export async function waitForOthers(
  { repository, clock }: Pick<ReaderParts, 'repository' | 'clock'>,
  demand: ReaderDemand,
  ending: Ending,
  until: number,
): Promise<void> {
  const token = repository.changeToken();
  // The time of day may jump while it waits, or have jumped since the lease was looked at.
  const deadline = clock.monotonic() + Math.min(until - clock.now(), LEASE_REACH_MS);
  demand.waiting = true;
  while (!ending.aborted && clock.monotonic() <= deadline && repository.changeToken() === token) await pause(clock, POLL_MS, ending);
  demand.waiting = false;
}
