/** The first pause, in milliseconds. */
const BASE_MS = 500;
/** The longest pause that is not asked for by the origin, in milliseconds. */
const CAP_MS = 60_000;
/** The longest Retry-After that is obeyed, in milliseconds: an origin cannot stop an entry for ever. */
export const MAX_BACKOFF_MS = 15 * 60_000;

/**
 * Milliseconds to wait before try number `attempts` + 1, with full jitter ("Exponential Backoff And Jitter", M. Brooker, 2015).
 * @param attempts tries that failed in a row, at least 1
 * @param fraction a random number in [0, 1)
 * @param retryAfterMs what the origin asked for, or null; never undercut
 */
export function backoffMs(attempts: number, fraction: number, retryAfterMs: number | null): number {
  const ceiling = Math.min(CAP_MS, BASE_MS * 2 ** Math.min(attempts - 1, 20));
  const jittered = Math.round(ceiling * fraction);
  return retryAfterMs === null ? jittered : Math.max(jittered, Math.min(retryAfterMs, MAX_BACKOFF_MS));
}

/** Milliseconds until `retryAt`; 0 where it is over, or where it lies further ahead than any pause lasts: then the clock was set back. */
export function backoffRest(retryAt: number | null, now: number): number {
  const rest = (retryAt ?? 0) - now;
  return rest > 0 && rest <= MAX_BACKOFF_MS ? rest : 0;
}
