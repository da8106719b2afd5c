/** How urgently a byte range is wanted. Smaller comes first; the numbers are what the database stores. */
export const PRIORITY = {
  /** A reader waits for it. Exists only as a leased row. */
  CRITICAL: 0,
  /** Look-ahead of a reader. Exists only as a leased row. */
  HIGH: 1,
  /** Asked for by the user: prefetch, get, resume. */
  MEDIUM: 2,
  /** Background fill of what a reader opened. */
  LOW: 3,
} as const;

export type Priority = (typeof PRIORITY)[keyof typeof PRIORITY];
