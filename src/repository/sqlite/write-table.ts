import type { CacheRepository } from '../cache-repository.ts';
import { Blocks } from './blocks.ts';
import { Claims } from './claims.ts';
import { Entries } from './entries.ts';
import { Evictions } from './evictions.ts';
import { prepared } from './prepared.ts';
import { Queue } from './queue.ts';
import { Spans } from './spans.ts';
import type { SqliteConnection } from './sqlite-driver.ts';
import { READS, WRITES } from './statements.ts';

/** The methods of the contract that change something. */
export type WriteName =
  | 'addEntry'
  | 'rebind'
  | 'touch'
  | 'setPinned'
  | 'ensure'
  | 'describe'
  | 'commit'
  | 'finish'
  | 'renew'
  | 'release'
  | 'sweep'
  | 'fill'
  | 'prefetch'
  | 'pause'
  | 'retry'
  | 'fail'
  | 'delay'
  | 'recordChecksums'
  | 'markChecked'
  | 'cut'
  | 'removeBytes'
  | 'evict'
  | 'deleteEntry'
  | 'forgetTrash'
  | 'announce'
  | 'forgetServers';

export type WriteArguments<Name extends WriteName> = Parameters<CacheRepository[Name]>;
export type WriteResult<Name extends WriteName> = Awaited<ReturnType<CacheRepository[Name]>>;

/** The contract's changes, synchronous: each one step of a transaction. */
export type WriteTable = { readonly [Name in WriteName]: (...args: WriteArguments<Name>) => WriteResult<Name> };

/** Removals reach the disk before anything is unlinked: these need the connection with `synchronous=FULL`. */
export function mustBeDurable(name: WriteName): boolean {
  return name === 'cut' || name === 'removeBytes' || name === 'evict' || name === 'deleteEntry';
}

/** The changes on `connection`, in the name of the process `owner`. */
export function writeTable(connection: SqliteConnection, owner: string): WriteTable {
  const read = prepared(connection, READS);
  const write = prepared(connection, WRITES);
  const claims = new Claims(read, write, owner);
  const spans = new Spans(read, write);
  const queue = new Queue(read, write);
  const entries = new Entries(read, write, owner);
  const evictions = new Evictions(read, entries);
  const blocks = new Blocks(read, write, claims);
  return {
    addEntry: (entry, now) => entries.add(entry, now),
    rebind: (id, location, now) => entries.rebind(id, location, now),
    touch: (id, now) => entries.touch(id, now),
    setPinned: (id, pinned) => entries.setPinned(id, pinned),
    ensure: (request, now) => claims.ensure(request, now),
    describe: (request) => spans.describe(request),
    commit: (request, now) => spans.commit(request, now),
    finish: (request, now) => spans.finish(request, now),
    renew: (now) => claims.renew(now),
    release: (request) => claims.release(request),
    sweep: (fill, now, dead) => claims.sweep(fill, now, dead),
    fill: (request) => queue.fill(request),
    prefetch: (request, now) => queue.prefetch(request, now),
    pause: (id, now) => queue.pause(id, now),
    retry: (id, now) => queue.retry(id, now),
    fail: (request, now) => queue.fail(request, now),
    delay: (request, now) => queue.delay(request, now),
    recordChecksums: (request, now) => blocks.record(request, now),
    markChecked: (request, now) => blocks.markChecked(request, now),
    cut: (request, now) => blocks.cut(request, now),
    removeBytes: (request, now) => entries.removeBytes(request, now),
    evict: (request, now) => evictions.evict(request, now),
    deleteEntry: (id, now) => entries.delete(id, now),
    forgetTrash: (id) => entries.forgetTrash(id),
    announce: (baseUrl, now) => entries.announce(baseUrl, now),
    forgetServers: (processes) => entries.forgetServers(processes),
  };
}
