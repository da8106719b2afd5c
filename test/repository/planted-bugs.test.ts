import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PRIORITY } from '#seekwell/core/priority';
import type { CommitRequest } from '#seekwell/repository/cache-repository';
import type { Committer } from '#seekwell/repository/sqlite/sqlite-repository';
import type { PlainDatabase } from '../../scripts/plain-database.mjs';
import { type HistoryOptions, HistoryRunner, history } from './simulation/history.ts';
import type { SimulatedProcess } from './simulation/simulated-process.ts';
import type { SimulatedWorld } from './simulation/simulated-world.ts';
import { newDatabase } from './test-database.ts';

// What random-histories.test.ts is worth: with one rule of the design broken, the same invariants fail. The rules are broken between the repository and
// the database, or in how the simulated processes behave; nothing in the product knows of it.

type Wrap = NonNullable<HistoryOptions['wrap']>;

/** Changes what is asked of the method `name`. */
function rewriting(name: string, rewrite: (request: CommitRequest, database: PlainDatabase) => CommitRequest): Wrap {
  return (committer, database) => ({
    close: () => committer.close(),
    call: ((called, ...args) => {
      const [request, ...rest] = args as unknown as [CommitRequest, ...unknown[]];
      const changed = called === name ? [rewrite(request, database), ...rest] : args;
      return (committer.call as (name: string, ...args: unknown[]) => unknown)(called, ...changed);
    }) as Committer['call'],
  });
}

const withoutEpochCheck = rewriting('commit', (request, database) => {
  const now = database.prepare<{ epoch: number }>('SELECT epoch FROM cache_entries WHERE id = ?').get(request.entryId);
  return { ...request, epoch: now?.epoch ?? request.epoch };
});
const withoutQuotaAtCommit = rewriting('commit', (request) => ({ ...request, quota: null }));
const withoutDescription: Wrap = (committer) => ({
  close: () => committer.close(),
  call: ((name, ...args) =>
    name === 'describe' ? Promise.resolve({ kind: 'described' }) : committer.call(name, ...args)) as Committer['call'],
});

/** Of sixty histories, always the same ones, in how many an invariant fails. */
async function failures(options: HistoryOptions): Promise<number> {
  const runner = new HistoryRunner(await newDatabase(), options);
  let failed = 0;
  for (const one of fc.sample(history, { numRuns: 60, seed: 1 })) {
    await runner.run(one).catch(() => failed++);
  }
  await runner.close();
  return failed;
}

describe('broken everywhere, most histories fail', () => {
  test.each<[string, HistoryOptions]>([
    ['commits of a gone epoch are recorded', { wrap: withoutEpochCheck }],
    ['commits come before the sync', { rules: { syncsBeforeCommit: false } }],
    ['files are unlinked before their spans are removed', { rules: { removesRowsFirst: false } }],
  ])('%s', async (_, options) => {
    expect(await failures(options)).toBeGreaterThan(30);
  });
});

interface Story {
  readonly world: SimulatedWorld;
  readonly a: SimulatedProcess;
  readonly b: SimulatedProcess;
}

/** Runs `process` for so many steps, or to the end of what it does, and checks the invariants after each. */
async function run({ world }: Story, process: SimulatedProcess, steps = Number.POSITIVE_INFINITY): Promise<void> {
  for (let step = 0; step < steps && process.underWay > 0; step++) {
    await process.run(0);
    world.expectInvariants();
  }
}

async function tell(options: HistoryOptions, quota: number | null, story: (story: Story) => Promise<void>): Promise<void> {
  const runner = new HistoryRunner(await newDatabase(), options);
  const world = runner.newWorld({ naming: 'etag', quota });
  const [a, b] = world.processes as [SimulatedProcess, SimulatedProcess];
  try {
    await story({ world, a, b });
  } finally {
    await runner.close();
  }
}

/** Two fetches begin before anything is recorded, and the resource changes between them. */
async function twoVersionsAtOnce(story: Story): Promise<void> {
  const { world, a, b } = story;
  const entry = await world.entry(0);
  a.fetch(entry.id, 0, PRIORITY.HIGH);
  // It has its answer, and has not written yet.
  await run(story, a, 4);
  world.now += 10_000;
  world.originOf(entry).change();
  b.fetch(entry.id, 0, PRIORITY.CRITICAL);
  await run(story, b);
  await run(story, a);
}

/** A fetch loses its lease; others take the room that it had; then it commits. */
async function lateCommit(story: Story): Promise<void> {
  const { world, a, b } = story;
  const [first, second] = [await world.entry(0), await world.entry(1)];
  a.fetch(first.id, 0, PRIORITY.HIGH);
  // It has written, and has not committed yet.
  await run(story, a, 7);
  world.now += 10_000;
  await b.repository.sweep(false, world.now);
  b.fetch(second.id, 0, PRIORITY.CRITICAL);
  await run(story, b, 2);
  await run(story, a);
  await run(story, b);
}

describe('rare histories, told step by step', () => {
  test('an epoch is bound to a version before the first byte is written', async () => {
    await tell({}, null, twoVersionsAtOnce);
    await expect(tell({ wrap: withoutDescription }, null, twoVersionsAtOnce)).rejects.toThrow('a span promises');
  });

  test('a commit whose lease is gone is held to the quota', async () => {
    await tell({}, 7, lateCommit);
    await expect(tell({ wrap: withoutQuotaAtCommit }, 7, lateCommit)).rejects.toThrow('more than the quota');
  });
});
