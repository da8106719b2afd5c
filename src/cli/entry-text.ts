import { formatSize } from '../config/byte-size.ts';
import type { EntryInfo } from '../entry-info.ts';
import { streamUrl } from '../stream-url.ts';
import type { StreamBase } from './open-cache.ts';
import { clipped, oneLine } from './terminal.ts';

/** An entry as scripts get it: as the API shows it. */
export function entryJson(info: EntryInfo, base: StreamBase): EntryInfo & { readonly streamUrl: string } {
  const { progress, state } = info;
  // A thousandth is enough, and less than all is never shown as 1.
  const rounded = progress === null || state === 'Complete' ? progress : Math.min(0.999, Math.round(progress * 1000) / 1000);
  return { ...info, progress: rounded, streamUrl: streamUrlOf(info, base) };
}

/** Where players find the entry. */
export function streamUrlOf(info: EntryInfo, base: StreamBase): string {
  return streamUrl(base.url, { sourceId: info.source, mediaId: info.media, quality: info.quality }, info.filename, base.token);
}

/** What people call an entry. */
export function entryName(info: Pick<EntryInfo, 'filename' | 'source' | 'media' | 'quality'>): string {
  return oneLine(info.filename ?? `${info.source}/${info.media}/${info.quality}`);
}

/** How much is there: `43%`; 100% only when nothing is missing. */
export function percentText(progress: number | null): string {
  return progress === null ? '-' : `${progress === 1 ? 100 : Math.min(99, Math.floor(progress * 100))}%`;
}

function sizeText(info: EntryInfo): string {
  const { downloadedBytes, expectedTotalSize: total } = info;
  if (info.state === 'Complete') return formatSize(downloadedBytes);
  return `${formatSize(downloadedBytes)} of ${total === null ? '?' : formatSize(total)}`;
}

/** The state, and what else changes what is to be expected of the entry. */
function stateText({ state, active, pinned }: EntryInfo): string {
  return [state, ...(state === 'Downloading' && !active ? ['waiting'] : []), ...(pinned ? ['pinned'] : [])].join(', ');
}

/** A table for people, one line an entry below the head, no line wider than `width`. */
export function entryTable(infos: readonly EntryInfo[], width: number): string[] {
  const head = ['ID', 'STATE', 'PROGRESS', 'SIZE', 'NAME'];
  const rows = infos.map((info) => [String(info.id), stateText(info), percentText(info.progress), sizeText(info), entryName(info)]);
  const widths = head.map((title, column) => rows.reduce((most, row) => Math.max(most, row[column]?.length ?? 0), title.length));
  const rightAligned = new Set([0, 2, 3]);
  const line = (cells: readonly string[]): string => {
    const padded = cells.map((cell, column) =>
      rightAligned.has(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
    );
    return clipped(padded.join('  ').trimEnd(), width);
  };
  return [head, ...rows].map(line);
}
