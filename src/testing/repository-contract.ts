import { blockCuts, checksums } from './repository-contract/blocks.ts';
import { answersOfEnsure, claimsOfRows, leases, sizesOfNewRows } from './repository-contract/claims.ts';
import { entries, removals, trash, views, whole } from './repository-contract/entries.ts';
import { evictions } from './repository-contract/evictions.ts';
import { lists, states } from './repository-contract/listing.ts';
import { failures, fills, releases, requests } from './repository-contract/queue.ts';
import { quotas, runs } from './repository-contract/runs-and-quota.ts';
import { cuts, lengths, merges, versions } from './repository-contract/spans.ts';
import { type ContractCheck, type RepositoryUnderTest, Stage } from './repository-contract/stage.ts';

/** One check of the contract, ready to run. */
export interface ContractCase {
  /** What part of the contract it belongs to. */
  readonly group: string;
  /** What has to be true. */
  readonly name: string;
  /** Opens a new database, checks and closes it. Rejects, mostly with an AssertionError, where the contract is broken. */
  run(): Promise<void>;
}

const GROUPS: Readonly<Record<string, readonly ContractCheck[]>> = {
  entries,
  'around a byte': views,
  'ensure: what it answers': answersOfEnsure,
  'ensure: a new row': sizesOfNewRows,
  'ensure: a row that exists': claimsOfRows,
  'ensure: a run of rows': runs,
  'ensure: the quota': quotas,
  leases,
  'commit: spans': merges,
  'commit: rows and state': cuts,
  'commit: versions': versions,
  'commit: lengths': lengths,
  'release and sweep': releases,
  fill: fills,
  'prefetch, pause, retry': requests,
  'failures and background work': failures,
  'blocks and checksums': checksums,
  cut: blockCuts,
  removal: removals,
  eviction: evictions,
  trash,
  'the whole': whole,
  states,
  lists,
};

async function runCheck(check: ContractCheck, open: () => Promise<RepositoryUnderTest>): Promise<void> {
  const subject = await open();
  try {
    await check.run(new Stage(subject.repository, await subject.other()));
  } finally {
    await subject.close();
  }
}

/**
 * What every CacheRepository has to keep, whatever database it is on. `open` makes a new empty database each time it is called.
 *
 * Needs no test framework: each case is a name and an async function that rejects.
 */
export function repositoryContract(open: () => Promise<RepositoryUnderTest>): ContractCase[] {
  return Object.entries(GROUPS).flatMap(([group, checks]) =>
    checks.map((check) => ({ group, name: check.name, run: () => runCheck(check, open) })),
  );
}
