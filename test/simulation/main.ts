import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { catchBug, PLANTED_BUGS } from './planted-bugs.ts';
import { SeedRunner } from './seed-runner.ts';
import type { SimulationResult } from './simulation.ts';

// `npm run sim -- [--seeds N] [--from N] [--jobs N]` runs simulations, prints each that fails and ends 1 where one does. `--seed N` replays one with its
// event log. `--planted` shows how soon each planted bug is caught.

/** So many seeds a process takes at once. */
const BATCH = 20;
/** So many simulations a planted bug may outlive. */
const MOST = 400;

/** What crosses from a process that runs seeds. */
type Told = Omit<SimulationResult, 'failure' | 'counts'> & { readonly failure: string | null };

function tell({ seed, hash, steps, elapsed, failure }: SimulationResult): Told {
  return { seed, hash, steps, elapsed, failure: failure === null ? null : `${failure.invariant}: ${failure.message}` };
}

function print({ seed, hash, steps, elapsed, failure }: Told): void {
  console.log(`seed ${seed}: ${failure ?? 'all is well'} (${steps} steps, ${(elapsed / 1_000).toFixed(1)} s of its world, log ${hash})`);
}

async function replay(seed: number): Promise<void> {
  const runner = await SeedRunner.open();
  const result = tell(await runner.run(seed, {}, (line) => console.log(line)));
  runner.close();
  print(result);
  if (result.failure !== null) process.exitCode = 1;
}

async function showPlanted(): Promise<void> {
  for (const bug of PLANTED_BUGS) {
    const caught = await catchBug(bug, MOST);
    if (caught === null) process.exitCode = 1;
    const how =
      caught === null ? `not caught by ${MOST} simulations` : `${caught.simulations} (seed ${caught.seed}): ${caught.failure.invariant}`;
    console.log(`${bug.name}: ${how}`);
  }
}

/** Runs what the parent sends, and tells it. */
async function work(): Promise<void> {
  const runner = await SeedRunner.open();
  for (;;) {
    const batch = await new Promise<number[] | 'end'>((resolve) => process.once('message', resolve));
    if (batch === 'end') break;
    const results: Told[] = [];
    for (const seed of batch) results.push(tell(await runner.run(seed)));
    process.send?.(results);
  }
  runner.close();
  process.disconnect();
}

async function runAll(from: number, count: number, jobs: number): Promise<void> {
  const started = performance.now();
  const seeds = Array.from({ length: count }, (_, index) => from + index);
  let [failed, steps] = [0, 0];
  const runs = Array.from({ length: jobs }, async () => {
    const child = fork(fileURLToPath(import.meta.url), ['--worker'], { execArgv: process.execArgv });
    const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
    const give = (): void => {
      const batch = seeds.splice(0, BATCH);
      child.send(batch.length > 0 ? batch : 'end');
    };
    child.on('message', (results: Told[]) => {
      for (const result of results) {
        steps += result.steps;
        if (result.failure === null) continue;
        failed++;
        print(result);
      }
      give();
    });
    give();
    if ((await exit) !== 0) throw new Error('a process that ran seeds ended early');
  });
  await Promise.all(runs);
  const seconds = (performance.now() - started) / 1_000;
  console.log(
    `${failed} of ${count} failed; ${steps} steps, ${seconds.toFixed(1)} s, ${(count / seconds).toFixed(1)} seeds/s with ${jobs} processes`,
  );
  if (failed > 0) process.exitCode = 1;
}

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    seed: { type: 'string' },
    planted: { type: 'boolean', default: false },
    worker: { type: 'boolean', default: false },
  },
});
if (values.worker) await work();
else if (values.seed !== undefined) await replay(Number(values.seed));
else if (values.planted) await showPlanted();
else await runAll(Number(values.from), Number(values.seeds), Number(values.jobs));
