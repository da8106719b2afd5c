import type { Command } from '@commander-js/extra-typings';
import { formatSize } from '../../config/byte-size.ts';
import type { FileCache } from '../../file-cache.ts';
import { cacheDirOption, configOption, engineOptions, openWith, settingsOf, using } from '../open-cache.ts';
import { settingOption } from '../setting-options.ts';

type Report = Awaited<ReturnType<FileCache['gc']>>;

/** What a cache that does not exist has to be cleared of. */
const NOTHING: Report = {
  evictedEntries: 0,
  evictedBytes: 0,
  finishedRemovals: 0,
  strayFiles: 0,
  recordedBytes: 0,
  limitBytes: null,
  excessBytes: 0,
};

function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** What was done and what is left, in one line. */
export function reportLine(report: Report): string {
  const { evictedEntries, evictedBytes, finishedRemovals, strayFiles, recordedBytes, limitBytes, excessBytes } = report;
  const done = [
    ...(evictedEntries > 0 ? [`evicted ${counted(evictedEntries, 'entry', 'entries')} (${formatSize(evictedBytes)})`] : []),
    ...(finishedRemovals > 0 ? [`finished ${counted(finishedRemovals, 'removal', 'removals')}`] : []),
    ...(strayFiles > 0 ? [`removed ${counted(strayFiles, 'file', 'files')} that no entry owns`] : []),
  ].join(', ');
  const said = done === '' ? 'Nothing to clear' : `${done[0]?.toUpperCase()}${done.slice(1)}`;
  const room = limitBytes === null ? '' : ` of ${formatSize(limitBytes)}`;
  const over = excessBytes > 0 ? `, ${formatSize(excessBytes)} too many, pinned or being fetched` : '';
  return `${said}; the cache holds ${formatSize(recordedBytes)}${room}${over}.`;
}

export function define(program: Command): void {
  program
    .command('gc')
    .summary('evict to the quota, remove what no entry owns')
    .description(
      'Evicts the least recently used entries down to --max-size and --min-free, finishes removals that a crash cut short, and removes files that no entry owns. A daemon may run meanwhile.',
    )
    .option('--json', 'print JSON')
    .addOption(settingOption('maxSize'))
    .addOption(settingOption('minFree'))
    .addOption(cacheDirOption())
    .addOption(configOption())
    .action(async ({ json, ...flags }) => {
      const cache = await openWith(engineOptions(await settingsOf(flags)));
      const report = cache === null ? NOTHING : await using(cache, () => cache.gc());
      process.stdout.write(`${json === true ? JSON.stringify(report, null, 2) : reportLine(report)}\n`);
    });
}
