import type { Command } from '@commander-js/extra-typings';
import { formatSize } from '../../config/byte-size.ts';
import type { ByteRange } from '../../core/byte-ranges.ts';
import type { EntryInfo } from '../../entry-info.ts';
import type { FileCache } from '../../file-cache.ts';
import { ENTRY_HELP, entriesOf, noSuchEntry } from '../entry-refs.ts';
import { entryJson, entryName, percentText } from '../entry-text.ts';
import {
  type CacheFlags,
  cacheDirOption,
  configOption,
  engineOptions,
  openExisting,
  type StreamBase,
  settingsOf,
  settleLeases,
  streamBaseOf,
} from '../open-cache.ts';
import { asJson, type ShowFlags, show } from '../show.ts';
import { oneLine } from '../terminal.ts';

type StatusFlags = CacheFlags & ShowFlags;

/** More ranges than this are not for people. */
const SHOWN_RANGES = 20;

/** Lines with their labels in one column; those without a value are left out. */
function labelled(lines: readonly (readonly [label: string, value: string | null])[]): string[] {
  const width = Math.max(...lines.map(([label]) => label.length));
  return lines.flatMap(([label, value]) => (value === null ? [] : [`${label.padEnd(width)}  ${oneLine(value)}`]));
}

async function overall(cache: FileCache | null, cacheDir: string, flags: StatusFlags): Promise<string[]> {
  const { entries, recordedBytes, leasedBytes, trashBytes } = (await cache?.statistics()) ?? {
    entries: 0,
    recordedBytes: 0,
    leasedBytes: 0,
    trashBytes: 0,
  };
  const server = (await cache?.servedAt()) ?? null;
  const quota = cache?.quota ?? null;
  if (flags.json === true) {
    return [
      asJson({ cacheDir, server, entries, cacheBytes: recordedBytes, reservedBytes: leasedBytes, trashBytes, quotaBytes: quota }, flags),
    ];
  }
  const room = cache === null ? '' : quota === null ? ', without limit' : ` of ${formatSize(quota)}`;
  return labelled([
    ['Cache', cacheDir],
    ['Daemon', server ?? 'none runs'],
    ['Entries', String(entries)],
    ['Size', `${formatSize(recordedBytes)}${room}`],
  ]);
}

function rangesText(ranges: readonly ByteRange[]): string | null {
  if (ranges.length === 0) return null;
  const shown = ranges.slice(0, SHOWN_RANGES).map(({ start, end }) => `${start}-${end}`);
  return `${shown.join(', ')}${ranges.length > SHOWN_RANGES ? ` and ${ranges.length - SHOWN_RANGES} more` : ''}`;
}

function entryLines(info: EntryInfo, ranges: readonly ByteRange[], streamUrl: string): string[] {
  const total = info.expectedTotalSize;
  return labelled([
    ['Entry', `${info.id}  ${entryName(info)}`],
    ['Key', `${info.source}/${info.media}/${info.quality}`],
    ['URL', info.url],
    ['State', info.active ? `${info.state}, bytes arrive now` : info.state],
    ['Error', info.error],
    ['Last error', info.lastError],
    ['Tried again', info.retryAt],
    [
      'Size',
      `${formatSize(info.downloadedBytes)} of ${total === null ? 'an unknown size' : formatSize(total)}, ${percentText(info.progress)}`,
    ],
    ['Type', info.mimeType],
    ['Wanted', info.pendingChunks === 0 ? null : `${info.pendingChunks} chunks`],
    ['Pinned', info.pinned ? 'yes' : null],
    ['Fill', info.fill ? 'allowed' : 'not allowed: only what players read is fetched'],
    ['Ranges', rangesText(ranges)],
    ['Added', info.createdAt],
    ['Last read', info.lastAccessed],
    ['Stream', streamUrl],
  ]);
}

async function detailed(cache: FileCache, ref: string, base: StreamBase, flags: StatusFlags): Promise<string[]> {
  const [entry] = await entriesOf(cache, [ref]);
  if (entry === undefined) throw noSuchEntry(ref);
  const ranges = await entry.spans();
  const json = entryJson(await entry.info(), base);
  if (flags.json === true) return [asJson({ ...json, ranges: ranges.map(({ start, end }) => [start, end]) }, flags)];
  return entryLines(json, ranges, json.streamUrl);
}

export function define(program: Command): void {
  program
    .command('status')
    .summary('tell about the cache, or one entry')
    .description('Tells how the cache is, or everything about one entry.')
    .argument('[entry]', ENTRY_HELP)
    .option('--json', 'print JSON')
    .option('--watch', 'draw it again and again')
    .addOption(cacheDirOption())
    .addOption(configOption())
    .action(async (ref, flags) => {
      const cache = await openExisting(flags);
      try {
        if (ref === undefined) {
          const { cacheDir } = engineOptions(await settingsOf(flags));
          await show(() => overall(cache, cacheDir, flags), flags);
          return;
        }
        if (cache === null) throw noSuchEntry(ref);
        const base = await streamBaseOf(cache, flags);
        await show(async () => {
          await settleLeases(cache);
          return detailed(cache, ref, base, flags);
        }, flags);
      } finally {
        await cache?.close();
      }
    });
}
