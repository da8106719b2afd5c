import { setTimeout as delay } from 'node:timers/promises';

/** Between two looks, in milliseconds. */
const INTERVAL_MS = 20;

/**
 * Looks at another process (its API, its database, its files) until `check` returns something true, and returns that. Within this process
 * wait for the event instead.
 * @param what stands in the error when it does not happen in time
 * @param check what throws counts as not yet
 */
export async function eventually<T>(
  what: string,
  check: () => Promise<T | null | undefined | false> | T | null | undefined | false,
  deadlineMs = 20_000,
): Promise<T> {
  const deadline = performance.now() + deadlineMs;
  let lastError: unknown;
  for (;;) {
    try {
      const found = await check();
      if (found !== null && found !== undefined && found !== false) return found;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (performance.now() >= deadline) throw new Error(`not within ${deadlineMs} ms: ${what}`, { cause: lastError });
    await delay(INTERVAL_MS);
  }
}
