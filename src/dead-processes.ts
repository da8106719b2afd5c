import type { Clock } from './clock.ts';
import type { CacheRepository } from './repository/cache-repository.ts';

/** Whether the process of this name may still run: false only where it surely does not. */
export type MayRun = (process: string) => boolean;

/**
 * Gives rows of dead processes back to the queue, and forgets where they served.
 * @param fill whether this process fills
 */
export async function sweepDeadProcesses(repository: CacheRepository, fill: boolean, clock: Clock, mayRun: MayRun): Promise<void> {
  // A process that surely runs no more need not be waited for.
  const dead = (await repository.leaseHolders()).filter((holder) => !mayRun(holder));
  await repository.sweep(fill, clock.now(), dead);
  const gone = (await repository.servers()).map(({ process }) => process).filter((process) => !mayRun(process));
  if (gone.length > 0) await repository.forgetServers(gone);
}

/** Where a process serves the cache now, or null. */
export async function servedAt(repository: CacheRepository, mayRun: MayRun): Promise<string | null> {
  return (await repository.servers()).find(({ process }) => mayRun(process))?.baseUrl ?? null;
}
