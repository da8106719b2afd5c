import { lookup } from 'mime-types';
import type { Heard } from '../downloads/span-recorder.ts';
import type { EntryRow } from '../repository/cache-repository.ts';
import { fieldsOf } from './socket-outlet.ts';

export const CORS: Readonly<Record<string, string>> = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'Accept-Ranges, Content-Length, Content-Range, ETag, Last-Modified',
};

interface Head {
  readonly heard: Heard;
  readonly headers: Readonly<Record<string, string>>;
  /** As they stand in an answer; null: not asked for yet. */
  fields: string | null;
}

/** The heads of what is read now: as long as nothing is committed, an entry is the same object from one request to the next. */
const heads = new WeakMap<EntryRow, Head>();

/** What every answer with bytes of the resource says of it. */
export function headOf(entry: EntryRow, heard: Heard): Readonly<Record<string, string>> {
  const known = heads.get(entry);
  if (known !== undefined && known.heard.headers === heard.headers && known.heard.description.total === heard.description.total)
    return known.headers;
  const headers = makeHead(entry, heard);
  heads.set(entry, { heard, headers, fields: null });
  return headers;
}

/** The same as text, where an answer said it before and the entry is unchanged since; else null. */
export function knownFields(entry: EntryRow): string | null {
  const head = heads.get(entry);
  if (head === undefined) return null;
  head.fields ??= fieldsOf(head.headers);
  return head.fields;
}

function makeHead(entry: EntryRow, { description, headers }: Heard): Readonly<Record<string, string>> {
  const { validator, mimeType, total } = description;
  return {
    ...CORS,
    ...headers,
    'content-type': mimeType ?? (lookup(entry.filename ?? '') || 'application/octet-stream'),
    'accept-ranges': total === null ? 'none' : 'bytes',
    'x-content-type-options': 'nosniff',
    ...(validator.etag === null ? {} : { etag: validator.etag }),
    ...(validator.lastModified === null ? {} : { 'last-modified': validator.lastModified }),
  };
}
