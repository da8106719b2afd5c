import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { catchBug, PLANTED_BUGS, type PlantedBug } from './planted-bugs.ts';
import { SeedRunner } from './seed-runner.ts';
import type { SimulationResult } from './simulation.ts';
import { ANY_CROWD, type Crowd } from './simulation-plan.ts';

// `npm run sim -- [--seeds N] [--from N] [--jobs N]` runs simulations, prints each that fails and ends 1 where one does. `--seed N` replays one with its
// event log. `--processes N` or `--processes N-M` says how many processes a world has (else 1-4). `--planted` shows how soon each planted bug is caught.

/** So many seeds a process takes at once. */
const BATCH = 20;
/** So many simulations a planted bug may outlive. */
const MOST = 2_000;

/** What crosses from a process that runs seeds. */
type Told = Omit<SimulationResult, 'failure' | 'counts'> & { readonly failure: string | null };

/** `3`, or `2-4`. */
function crowdOf(text: string): Crowd {
  const [least = Number.NaN, most = least] = text.split('-').map(Number);
  if (!(least >= 1 && most >= least)) throw new Error(`--processes takes a number or a range like 2-4, not ${text}`);
  return { least, most };
}

function tell({ seed, hash, steps, elapsed, failure }: SimulationResult): Told {
  return { seed, hash, steps, elapsed, failure: failure === null ? null : `${failure.invariant}: ${failure.message}` };
}

function print({ seed, hash, steps, elapsed, failure }: Told): void {
  console.log(`seed ${seed}: ${failure ?? 'all is well'} (${steps} steps, ${(elapsed / 1_000).toFixed(1)} s of its world, log ${hash})`);
}

async function replay(seed: number, crowd: Crowd): Promise<void> {
  const runner = await SeedRunner.open({}, crowd);
  const result = tell(await runner.run(seed, {}, (line) => console.log(line)));
  runner.close();
  print(result);
  if (result.failure !== null) process.exitCode = 1;
}

/** What a child is to do: seeds, or the planted bug of this index. */
type Work = readonly number[] | { readonly bug: number };
/** What it tells. */
type Report = readonly Told[] | { readonly line: string; readonly caught: boolean };

async function catchOne(index: number): Promise<Report> {
  const bug = PLANTED_BUGS[index] as PlantedBug;
  const caught = await catchBug(bug, MOST);
  if (caught === null) return { line: `| ${bug.name} | not within ${MOST} | |`, caught: false };
  return { line: `| ${bug.name} | ${caught.simulations} (seed ${caught.seed}) | ${caught.failure.invariant} |`, caught: true };
}

/** Does what the parent sends, and tells it. */
async function work(crowd: Crowd): Promise<void> {
  const runner = await SeedRunner.open({}, crowd);
  for (;;) {
    const next = await new Promise<Work | 'end'>((resolve) => process.once('message', resolve));
    if (next === 'end') break;
    if ('bug' in next) process.send?.(await catchOne(next.bug));
    else {
      const results: Told[] = [];
      for (const seed of next) results.push(tell(await runner.run(seed)));
      process.send?.(results);
    }
  }
  runner.close();
  process.disconnect();
}

/** Has `jobs` processes work off `works`; `done` hears each report with its number. */
async function workOff(works: readonly Work[], jobs: number, crowd: Crowd, done: (report: Report, number: number) => void): Promise<void> {
  let next = 0;
  const runs = Array.from({ length: jobs }, async () => {
    const child = fork(fileURLToPath(import.meta.url), ['--worker', '--processes', `${crowd.least}-${crowd.most}`], {
      execArgv: process.execArgv,
    });
    const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
    let number = 0;
    const give = (): void => {
      number = next++;
      child.send(works[number] ?? 'end');
    };
    child.on('message', (report: Report) => {
      done(report, number);
      give();
    });
    give();
    if ((await exit) !== 0) throw new Error('a process that ran seeds ended early');
  });
  await Promise.all(runs);
}

/** The table of docs/simulation.md. */
async function showPlanted(jobs: number): Promise<void> {
  const lines: string[] = [];
  const works = PLANTED_BUGS.map((_, bug) => ({ bug }));
  await workOff(works, jobs, ANY_CROWD, (report, number) => {
    if (!('line' in report)) return;
    lines[number] = report.line;
    if (!report.caught) process.exitCode = 1;
  });
  console.log(`| planted | caught within | by |\n| --- | --- | --- |\n${lines.join('\n')}`);
}

async function runAll(from: number, count: number, jobs: number, crowd: Crowd): Promise<void> {
  const started = performance.now();
  const seeds = Array.from({ length: count }, (_, index) => from + index);
  const batches = Array.from({ length: Math.ceil(count / BATCH) }, (_, index) => seeds.slice(index * BATCH, (index + 1) * BATCH));
  let [failed, steps] = [0, 0];
  await workOff(batches, jobs, crowd, (results) => {
    if ('line' in results) return;
    for (const result of results) {
      steps += result.steps;
      if (result.failure === null) continue;
      failed++;
      print(result);
    }
  });
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
    processes: { type: 'string', default: `${ANY_CROWD.least}-${ANY_CROWD.most}` },
    planted: { type: 'boolean', default: false },
    worker: { type: 'boolean', default: false },
  },
});
const crowd = crowdOf(values.processes);
if (values.worker) await work(crowd);
else if (values.seed !== undefined) await replay(Number(values.seed), crowd);
else if (values.planted) await showPlanted(Number(values.jobs));
else await runAll(Number(values.from), Number(values.seeds), Number(values.jobs), crowd);
