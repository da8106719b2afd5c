import { expect, test } from 'vitest';
import { afterThisTest } from '../support/temp-folder.ts';
import { SeedRunner } from './seed-runner.ts';

const TIMEOUT_MS = 600_000;
/** As many as one core runs in a minute. Each file of tests takes so many: so they share the cores. */
const SEEDS = 1_000;

/** What must have happened: else the simulations would prove less than they seem to. */
const HAPPENED = [
  'killed',
  'power cut that took commits',
  'change',
  'clock',
  'disk',
  'database',
  'remove',
  'expire',
  'damaged',
  'rot',
  'freeze',
  'verify',
  '200 changed',
  '206 bytes',
  '200 bytes',
  '403 refused',
  '416 unsatisfiable',
  '429 transient',
  '206 transient',
  'reader: served',
  'reader: left',
];

export async function openRunner(): Promise<SeedRunner> {
  const runner = await SeedRunner.open();
  afterThisTest(() => runner.close());
  return runner;
}

/** Runs a thousand seeds, those of the `part`th thousand. */
export function testSeeds(part: number): void {
  test(
    'no simulated world breaks an invariant',
    async () => {
      const runner = await openRunner();
      const counts = new Map<string, number>();
      for (let seed = (part - 1) * SEEDS + 1; seed <= part * SEEDS; seed++) {
        const result = await runner.run(seed);
        expect(result.failure, `npm run sim -- --seed ${seed}`).toBeNull();
        for (const [what, count] of result.counts) counts.set(what, (counts.get(what) ?? 0) + count);
      }
      expect([...counts.keys()]).toEqual(expect.arrayContaining(HAPPENED));
    },
    TIMEOUT_MS,
  );
}
