import { expect, test } from 'vitest';
import { afterThisTest } from '../support/temp-folder.ts';
import { SeedRunner } from './seed-runner.ts';

// The whole engine in simulated worlds: see main.ts for how to run more of them, and how to replay one.

const TIMEOUT_MS = 300_000;
/** As many as take half a minute. */
const SEEDS = 400;

async function openRunner(): Promise<SeedRunner> {
  const runner = await SeedRunner.open();
  afterThisTest(() => runner.close());
  return runner;
}

test('a seed always has the same history', async () => {
  const [one, other] = [await openRunner(), await openRunner()];
  const seeds = [3, 14, 15, 92, 65];
  const lines: string[] = [];
  const first = new Map<number, string>();
  for (const seed of seeds) first.set(seed, (await one.run(seed, {}, (line) => lines.push(line))).hash);
  for (const seed of seeds.toReversed()) expect((await other.run(seed)).hash).toBe(first.get(seed));
  expect(new Set(first.values()).size).toBe(seeds.length);
  expect(lines.length).toBeGreaterThan(500);
});

test(
  'no simulated world breaks an invariant',
  async () => {
    const runner = await openRunner();
    const counts = new Map<string, number>();
    for (let seed = 1; seed <= SEEDS; seed++) {
      const result = await runner.run(seed);
      expect(result.failure, `npm run sim -- --seed ${seed}`).toBeNull();
      for (const [what, count] of result.counts) counts.set(what, (counts.get(what) ?? 0) + count);
    }
    // Else the simulations would prove less than they seem to.
    const happened = ['killed', 'power cut that took commits', 'change', 'clock', 'disk', 'database', 'remove', 'expire', 'reader: served'];
    happened.push('damaged', 'rot', 'freeze', 'verify');
    happened.push(
      '200 changed',
      '206 bytes',
      '200 bytes',
      '403 refused',
      '416 unsatisfiable',
      '429 transient',
      '206 transient',
      'reader: left',
    );
    expect([...counts.keys()]).toEqual(expect.arrayContaining(happened));
  },
  TIMEOUT_MS,
);
