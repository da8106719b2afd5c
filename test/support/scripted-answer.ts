import type { IncomingMessage } from 'node:http';
import type { ByteRange } from '#seekwell/core/byte-ranges';
import type { Behaviour, ScriptedResource } from './scripted-resource.ts';

/** What goes on the wire. */
export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string>;
  /** The bytes of the resource in the body; null: none. */
  readonly body: ByteRange | null;
  /** A body that is none of the resource's. */
  readonly text: string;
}

/** The Range header: bytes asked for, `unsatisfiable`, or null where there is none or a server may ignore it (RFC 9110, section 14.2). */
function askedRange(header: string | undefined, size: number): ByteRange | 'unsatisfiable' | null {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '');
  const [, first = '', last = ''] = match ?? [];
  if (first === '' && last === '') return null;
  if (first === '') {
    const length = Number(last);
    return length === 0 || size === 0 ? 'unsatisfiable' : { start: Math.max(0, size - length), end: size - 1 };
  }
  const start = Number(first);
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== '' && Number(last) < start) return null;
  return start >= size ? 'unsatisfiable' : { start, end };
}

/** RFC 9110, section 13.1.5: a weak tag never matches, a date matches only exactly, and what does not match voids the Range header. */
function ifRangeHolds(header: string | string[] | undefined, validators: Record<string, string>): boolean {
  if (header === undefined) return true;
  // Said twice: no single version is meant.
  if (typeof header !== 'string') return false;
  const { etag } = validators;
  if (header.startsWith('"')) return header === etag;
  if (header.startsWith('W/')) return false;
  return header === validators['last-modified'];
}

function validatorsOf(resource: ScriptedResource, kind: Behaviour['validator']): Record<string, string> {
  const lastModified = { 'last-modified': resource.lastModified };
  switch (kind) {
    case 'etag':
      return { etag: resource.etag };
    case 'weak-etag':
      return { etag: `W/${resource.etag}` };
    case 'last-modified':
      return lastModified;
    case 'etag-and-last-modified':
      return { etag: resource.etag, ...lastModified };
    case 'none':
      return {};
  }
}

/** Where redirect number `hop` + 1 leads, or null when this request is to be answered. */
function redirectTarget(resource: ScriptedResource, behaviour: Behaviour, url: URL): string | null {
  if (behaviour.redirect === null) return null;
  const hop = Number(url.searchParams.get('hop') ?? 0);
  const { hops, to } = behaviour.redirect;
  if (hop >= hops) return null;
  if (hop + 1 === hops && to !== undefined) return to;
  const query = new URLSearchParams(url.searchParams);
  query.set('hop', String(hop + 1));
  return `${resource.path}?${query.toString()}`;
}

function plain(status: number, headers: Record<string, string>, behaviour: Behaviour): Answer {
  const text = `scripted ${status}\n`;
  const own = { 'content-type': 'text/plain', 'content-length': String(text.length) };
  return { status, headers: { ...own, ...headers, ...behaviour.headers }, body: null, text };
}

/** Answers that give no byte of the resource, or null when it is to be given. */
function refusal(resource: ScriptedResource, behaviour: Behaviour, request: IncomingMessage, url: URL, running: number): Answer | null {
  const location = redirectTarget(resource, behaviour, url);
  if (location !== null) return plain(behaviour.redirect?.status ?? 302, { location }, behaviour);
  const refused = behaviour.guard?.(url.searchParams, request.headers) ?? null;
  if (refused !== null) return plain(refused, {}, behaviour);
  if (behaviour.status !== null) return plain(behaviour.status, {}, behaviour);
  const { parallel } = behaviour;
  if (typeof parallel?.status === 'number' && running > parallel.limit) return plain(parallel.status, {}, behaviour);
  if (request.method === 'HEAD' && behaviour.headStatus !== null) return plain(behaviour.headStatus, {}, behaviour);
  if (request.method !== 'GET' && request.method !== 'HEAD') return plain(405, { allow: 'GET, HEAD' }, behaviour);
  return null;
}

/**
 * What `resource` answers to `request` when it behaves as said.
 * @param running answers under way for this resource, this one included
 */
export function answerTo(resource: ScriptedResource, behaviour: Behaviour, request: IncomingMessage, url: URL, running: number): Answer {
  const refused = refusal(resource, behaviour, request, url, running);
  if (refused !== null) return refused;

  const { size } = resource;
  const validators = validatorsOf(resource, behaviour.validator);
  const common: Record<string, string> = { 'content-type': behaviour.type, ...validators };
  if (behaviour.ranges) common['accept-ranges'] = 'bytes';
  const everything = size === 0 ? null : { start: 0, end: size - 1 };
  if (behaviour.encoding !== null) {
    const headers = { ...common, 'content-encoding': behaviour.encoding, ...behaviour.headers };
    return { status: 200, headers, body: everything, text: '' };
  }

  const ranged = behaviour.ranges && (!behaviour.ifRange || ifRangeHolds(request.headers['if-range'], validators));
  const asked = ranged ? askedRange(request.headers.range, size) : null;
  const ignored = asked === 'unsatisfiable' && size === 0 && behaviour.emptyStatus === 200;
  if (asked === 'unsatisfiable' && !ignored) return plain(416, { 'content-range': `bytes */${size}` }, behaviour);
  if (asked === null || asked === 'unsatisfiable') {
    const length = behaviour.lengthKnown ? { 'content-length': String(size) } : {};
    return { status: 200, headers: { ...common, ...length, ...behaviour.headers }, body: everything, text: '' };
  }

  const { start } = asked;
  const end = Math.min(asked.end, start + (behaviour.longestRange ?? size) - 1);
  const truth = `bytes ${start}-${end}/${behaviour.lengthKnown ? size : '*'}`;
  const contentRange = behaviour.contentRange === null ? truth : behaviour.contentRange(start, end, size);
  const headers = {
    ...common,
    ...(contentRange === null ? {} : { 'content-range': contentRange }),
    ...(behaviour.lengthKnown ? { 'content-length': String(end - start + 1) } : {}),
    ...behaviour.headers,
  };
  return { status: 206, headers, body: { start, end }, text: '' };
}
