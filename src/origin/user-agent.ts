import { createRequire } from 'node:module';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

/** How Seekwell names itself to origins (RFC 9110, section 10.1.5). */
export const USER_AGENT = `seekwell/${version}`;
