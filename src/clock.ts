/** A timer that can be taken back. Cancelling one that has fired does nothing. */
export interface Timer {
  cancel(): void;
}

/** Time as Seekwell sees it. Everything that asks the time or waits does so through this, so that a simulation can own it. */
export interface Clock {
  /** UTC milliseconds since 1970. May jump, as the system's clock may. */
  now(): number;
  /** Milliseconds that never go back. Only differences mean anything. */
  monotonic(): number;
  /** Runs `fire` once after `delay` milliseconds. A pending timer does not keep the process alive. */
  after(delay: number, fire: () => void): Timer;
  /** Runs `fire` once, after what the system has ready now was handled. */
  soon(fire: () => void): void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delay, fire) {
    const handle = setTimeout(fire, delay);
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
  soon: (fire) => void setImmediate(fire),
};
