import type { Ending } from '../core/ending.ts';
import type { ReaderDemand } from './reader-demand.ts';
import type { ReaderParts } from './reader-options.ts';
import { pause } from './signal.ts';

/** How often a reader that waits for another process looks whether it committed, in milliseconds. */
const POLL_MS = 20;

/** Waits until another process may have committed something, `until` (UTC milliseconds) at the longest. */
export async function waitForOthers(
  { repository, clock }: Pick<ReaderParts, 'repository' | 'clock'>,
  demand: ReaderDemand,
  ending: Ending,
  until: number,
): Promise<void> {
  const token = repository.changeToken();
  demand.waiting = true;
  while (!ending.aborted && clock.now() <= until && repository.changeToken() === token) await pause(clock, POLL_MS, ending);
  demand.waiting = false;
}
