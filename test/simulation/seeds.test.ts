import { expect, test } from 'vitest';
import { openRunner, testSeeds } from './clean-seeds.ts';

// The whole engine in simulated worlds: see main.ts for how to run more of them, and how to replay one.

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

testSeeds(1);
