import { setTimeout as delay } from 'node:timers/promises';

export type EndSignal = 'SIGINT' | 'SIGTERM';

/** A stream that no byte went to for this long is not worth waiting for, in milliseconds: its player will come back. */
const STALL_MS = 5_000;
const LOOK_MS = 250;

/** Calls `onFirst` at the first SIGINT or SIGTERM, and `onSecond` at each one after it. */
export function onEndSignals(onFirst: (signal: EndSignal) => void, onSecond: () => void): void {
  let asked = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (asked) return onSecond();
      asked = true;
      onFirst(signal);
    });
  }
}

/** Resolves once `count` (of bytes that were sent) has stayed the same for a while, or when `signal` ends the watching. */
export async function stalled(count: () => number, signal: AbortSignal, stallMs = STALL_MS): Promise<void> {
  let last = count();
  let since = performance.now();
  while (!signal.aborted && performance.now() - since < stallMs) {
    await delay(LOOK_MS, undefined, { signal }).catch(() => {});
    const now = count();
    if (now !== last) since = performance.now();
    last = now;
  }
}
