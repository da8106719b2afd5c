import { setTimeout as delay } from 'node:timers/promises';
import type { Entry } from '../cached-entry.ts';
import { checkUrl } from '../entry-key.ts';
import { type HeaderFlags, requestHeaders } from './request-headers.ts';

/** What a command on a URL registers. */
export interface Registration {
  readonly url: string;
  readonly headers?: Record<string, string>;
}

/**
 * Checks all that was said of a URL, before anything is opened.
 * @throws SeekwellError BAD_URL, BAD_OPTION
 */
export async function registrationOf(url: string, flags: HeaderFlags): Promise<Registration> {
  const headers = await requestHeaders(flags, checkUrl(url), Date.now());
  return { url, ...(headers === undefined ? {} : { headers }) };
}

/** How long to wait for what the origin said to be recorded, in milliseconds, and how often to look. */
const RECORDED_WITHIN_MS = 2_000;
const LOOK_MS = 20;

async function isHeard(entry: Entry): Promise<boolean> {
  return (await entry.info()).state !== 'Initializing';
}

/**
 * Asks the origin what the resource is, unless that is known: only then can be planned what somebody else is to fetch.
 * @throws SeekwellError what keeps it from being known
 */
export async function hearOrigin(entry: Entry): Promise<void> {
  if (await isHeard(entry)) return;
  for await (const _first of entry.read({ length: 1 })) break;
  const deadline = performance.now() + RECORDED_WITHIN_MS;
  while (!(await isHeard(entry)) && performance.now() < deadline) await delay(LOOK_MS);
}
