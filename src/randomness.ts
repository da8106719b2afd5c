import { randomBytes } from 'node:crypto';

/** Randomness as Seekwell sees it, so that a simulation can replay it from a seed. */
export interface Randomness {
  /** A number in [0, 1). */
  fraction(): number;
  /** `bytes` random bytes in lower-case hexadecimal. */
  hex(bytes: number): string;
}

export const systemRandomness: Randomness = {
  fraction: () => Math.random(),
  hex: (bytes) => randomBytes(bytes).toString('hex'),
};
