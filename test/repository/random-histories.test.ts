import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { HistoryRunner, history } from './simulation/history.ts';
import { newDatabase } from './test-database.ts';

// Several processes on one database: they claim, fetch, write, sync, commit, remove, and are killed at any of their awaits, while clocks jump and the
// origin's resources change. After every event the design's invariants are held against the disk. planted-bugs.test.ts shows that they would notice.

const TIMEOUT_MS = 180_000;

test(
  'no history of kills, late writers, jumping clocks and changing origins breaks an invariant',
  async () => {
    const runner = new HistoryRunner(await newDatabase());
    await fc.assert(
      fc.asyncProperty(history, (one) => runner.run(one)),
      { numRuns: 400 },
    );
    // Else the histories would prove less than they seem to.
    const happened = ['mine', 'theirs', 'present', 'gone', 'unwanted', 'full'].map((kind) => `ensure: ${kind}`);
    happened.push(
      'describe: changed',
      'describe: gone',
      'commit: committed',
      'commit: gone',
      'removed',
      'removed by another',
      'bytes written again',
    );
    expect([...runner.counts.keys()]).toEqual(expect.arrayContaining(happened));
    await runner.close();
  },
  TIMEOUT_MS,
);

test(
  'while leases live, readers fetch every byte once',
  async () => {
    const runner = new HistoryRunner(await newDatabase());
    const peaceful = ['run', 'read', 'lookAhead', 'renew'];
    await fc.assert(
      fc.asyncProperty(history, async ({ naming, events }) => {
        await runner.run({ naming, quota: null, events: events.filter(({ what }) => peaceful.includes(what)) }, { recovers: false });
        expect(runner.counts.get('bytes written again') ?? 0).toBe(0);
      }),
      { numRuns: 50 },
    );
    expect(runner.counts.get('bytes written')).toBeGreaterThan(100);
    await runner.close();
  },
  TIMEOUT_MS,
);
