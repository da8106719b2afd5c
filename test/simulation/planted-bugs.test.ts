import { expect, test } from 'vitest';
import { catchBug, PLANTED_BUGS } from './planted-bugs.ts';

// What seeds.test.ts is worth: with one thing wrong, an invariant fails before long. Rarer ones: npm run sim -- --planted.

const TIMEOUT_MS = 120_000;
const MOST = 50;

test.each(PLANTED_BUGS.filter(({ rare }) => rare !== true).map((bug) => [bug.name, bug] as const))(
  '%s',
  async (_, bug) => {
    expect(await catchBug(bug, MOST)).not.toBeNull();
  },
  TIMEOUT_MS,
);
