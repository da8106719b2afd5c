import { createInterface } from 'node:readline/promises';
import type { Command } from '@commander-js/extra-typings';
import type { FileCache } from '../../file-cache.ts';
import { ENTRY_HELP, entriesOf } from '../entry-refs.ts';
import { usageError } from '../failure.ts';
import { cacheDirOption, configOption, openExisting } from '../open-cache.ts';
import { oneLine } from '../terminal.ts';

interface Doomed {
  readonly id: number;
  readonly name: string;
}

async function ask(question: string): Promise<boolean> {
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(?:es)?$/i.test((await reader.question(`${question} [y/N] `)).trim());
  } finally {
    reader.close();
  }
}

async function allOf(cache: FileCache): Promise<Doomed[]> {
  const { entryName } = await import('../entry-text.ts');
  const doomed: Doomed[] = [];
  for await (const info of cache.list({ sort: 'id' })) doomed.push({ id: info.id, name: entryName(info) });
  return doomed;
}

async function named(cache: FileCache | null, refs: readonly string[]): Promise<Doomed[]> {
  const { entryName } = await import('../entry-text.ts');
  const doomed = new Map<number, Doomed>();
  for (const entry of await entriesOf(cache, refs)) doomed.set(entry.id, { id: entry.id, name: entryName(await entry.info()) });
  return [...doomed.values()];
}

async function mayRemoveAll(cache: FileCache, count: number): Promise<boolean> {
  const { formatSize } = await import('../../config/byte-size.ts');
  const { recordedBytes } = await cache.statistics();
  return ask(`Remove ${count === 1 ? 'the only entry' : `all ${count} entries`} with ${formatSize(recordedBytes)}?`);
}

/** Refuses what the command line says before anything is looked at. */
function check(
  refs: readonly string[],
  { all = false, yes = false }: { readonly all?: boolean | undefined; readonly yes?: boolean | undefined },
): void {
  if (all && refs.length > 0) throw usageError('rm takes entries or --all, not both', 'Leave one of them out.');
  if (!all && refs.length === 0) throw usageError('rm needs an entry', 'Name entries (seekwell ls lists them), or give --all.');
  if (all && !yes && !(process.stdin.isTTY && process.stderr.isTTY)) {
    throw usageError('rm --all asks before it removes everything, and there is no terminal to ask on', 'Add --yes if you mean it.');
  }
}

export function define(program: Command): void {
  program
    .command('rm')
    .summary('remove entries and their bytes')
    .description('Removes entries and their bytes. What is read at this moment may be read to its end.')
    .argument('[entry...]', ENTRY_HELP)
    .option('--all', 'remove every entry')
    .option('--yes', 'with --all: do not ask')
    .addOption(cacheDirOption())
    .addOption(configOption())
    .action(async (refs, flags) => {
      check(refs, flags);
      const cache = await openExisting(flags);
      try {
        const doomed = flags.all === true ? (cache === null ? [] : await allOf(cache)) : await named(cache, refs);
        if (cache === null || doomed.length === 0) return;
        if (flags.all === true && flags.yes !== true && !(await mayRemoveAll(cache, doomed.length))) {
          process.stderr.write('Nothing was removed.\n');
          process.exitCode = 1;
          return;
        }
        for (const { id, name } of doomed) {
          await cache.remove(id);
          process.stdout.write(`Removed ${id} ${oneLine(name)}\n`);
        }
      } finally {
        await cache?.close();
      }
    });
}
