import type { EntryInfo } from '../entry-info.ts';
import { streamUrl } from '../stream-url.ts';
import type { EntryJson } from './schemas.ts';

/** Where streams are, for whoever asks. */
export interface StreamBase {
  readonly baseUrl: string;
  /** Signs stream URLs, or null. */
  readonly token: string | null;
}

/** A thousandth is enough to show, and less than all is never shown as 1. */
function roundedProgress(progress: number | null, complete: boolean): number | null {
  if (progress === null) return null;
  return complete ? 1 : Math.min(0.999, Math.round(progress * 1000) / 1000);
}

export function toEntryJson(info: EntryInfo, { baseUrl, token }: StreamBase): EntryJson {
  const key = { sourceId: info.source, mediaId: info.media, quality: info.quality };
  return {
    ...info,
    progress: roundedProgress(info.progress, info.state === 'Complete'),
    streamUrl: streamUrl(baseUrl, key, info.filename, token),
  };
}
