import type { Prepared } from './prepared.ts';
import type { READS } from './statements.ts';

/** What the cache holds, against what it may hold. */
export class Quota {
  readonly #read: Prepared<typeof READS>;

  constructor(read: Prepared<typeof READS>) {
    this.#read = read;
  }

  /** By how many bytes `more` bytes would exceed `quota`; 0 where they fit, or there is none. */
  overBy(quota: number | null, more: number): number {
    if (quota === null || more <= 0) return 0;
    const used = this.#read.usage.get() as { recorded: number; leased: number; trash: number };
    return Math.max(0, used.recorded + used.leased + used.trash + more - quota);
  }
}
