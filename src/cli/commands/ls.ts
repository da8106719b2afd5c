import type { Command } from '@commander-js/extra-typings';
import type { EntryInfo } from '../../entry-info.ts';
import type { FileCache } from '../../file-cache.ts';
import { type CacheFlags, cacheDirOption, configOption, openExisting, settleLeases, streamBaseOf, using } from '../open-cache.ts';
import { asJson, type ShowFlags, show } from '../show.ts';
import { widthOf } from '../terminal.ts';

async function entriesOf(cache: FileCache): Promise<EntryInfo[]> {
  await settleLeases(cache);
  const infos: EntryInfo[] = [];
  for await (const info of cache.list({ sort: 'id' })) infos.push(info);
  return infos;
}

async function list(cache: FileCache | null, flags: CacheFlags & ShowFlags): Promise<void> {
  const { entryJson, entryTable } = await import('../entry-text.ts');
  const draw = async (): Promise<string[]> => {
    const infos = cache === null ? [] : await entriesOf(cache);
    if (flags.json !== true) return infos.length === 0 ? ['The cache is empty.'] : entryTable(infos, widthOf(process.stdout));
    const base = cache === null ? null : await streamBaseOf(cache, flags);
    const entries = base === null ? [] : infos.map((info) => entryJson(info, base));
    return [asJson(entries, flags)];
  };
  await show(draw, flags);
}

export function define(program: Command): void {
  program
    .command('ls')
    .summary('list the entries with their states')
    .description('Lists the entries of the cache with their states, from the database.')
    .option('--json', 'print JSON')
    .option('--watch', 'draw it again and again')
    .addOption(cacheDirOption())
    .addOption(configOption())
    .action(async (flags) => {
      const cache = await openExisting(flags);
      if (cache === null) await list(null, flags);
      else await using(cache, () => list(cache, flags));
    });
}
