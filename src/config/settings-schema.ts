import { isIP } from 'node:net';
import * as z from 'zod';
import { asSeekwellError, SeekwellError } from '../errors.ts';
import { parseSize } from './byte-size.ts';
import { parseDuration } from './duration.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const TIB = 1024 * GIB;

/** What the command line and the documentation say about a setting. */
interface SettingDoc {
  /** Stands for the value in `--name <value>`. */
  readonly value: string;
  /** One line, without a full stop. */
  readonly help: string;
  /** What holds unless told, where the schema's own default does not say it. */
  readonly fallback?: string;
  /** The value never stands in a message. */
  readonly secret?: boolean;
  /** Takes several values: the option again, a list in the file, commas in between. */
  readonly list?: boolean;
}

const docs = z.registry<SettingDoc>();

function refuse(message: string, hint?: string): never {
  throw new SeekwellError('BAD_OPTION', message, hint === undefined ? {} : { hint });
}

/** A setting whose text `read` understands. What `read` throws continues a sentence that begins with the setting: 'is not a port'. */
function setting<T>(read: (text: string) => T) {
  return z.string().transform((text, context): T => {
    try {
      return read(text);
    } catch (error) {
      const { message, hint } = asSeekwellError(error);
      // "5x" is not a size: the quoted value is put there by whoever prints the message, if it may be shown.
      context.addIssue({ code: 'custom', message: message.replace(/^".*" (?=is )/, ''), params: { hint } });
      return z.NEVER;
    }
  });
}

function integer(least: number, most: number, unit = '') {
  return setting((text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most))
      refuse(`is not a whole number${unit} from ${least} to ${most}`, `Write a number from ${least} to ${most}.`);
    return value;
  });
}

function oneOf<const T extends string>(...allowed: T[]) {
  return setting(
    (text) => allowed.find((value) => value === text) ?? refuse('is not a value it can have', `Write one of ${allowed.join(', ')}.`),
  );
}

/** A plain number of bytes; null where `text` is none. */
function plainBytes(text: string): number | null {
  try {
    const size = parseSize(text);
    return size.kind === 'bytes' ? size.bytes : null;
  } catch {
    return null;
  }
}

/** A number of bytes from `least` to `most`, which `range` names. */
function bytes(text: string, least: number, most: number, range: string): number {
  const value = plainBytes(text);
  if (value === null || value < least || value > most) refuse(`is not a size from ${range}`, 'Write a size like 4MiB or 50MB.');
  return value;
}

/** A share of the disk as the user writes it, once it is known that it can be read. */
function diskShare(text: string, unlimited: boolean): string {
  const size = parseSize(text);
  if (size.kind === 'unlimited' && !unlimited) refuse('is not a size or a share of the disk', 'Write a size like 10GB or 5%.');
  if (size.kind === 'bytes' && size.bytes === 0 && unlimited)
    refuse('leaves no room for a single byte', 'Write a size like 50GB or 20%, or unlimited.');
  return text;
}

/** Bytes a second; null: no limit. */
function rate(text: string): number | null {
  const trimmed = text.trim().replace(/\/s$/i, '');
  if (/^(?:none|unlimited)$/i.test(trimmed)) return null;
  const value = plainBytes(trimmed);
  if (value === null || value === 0) refuse('is not a rate', 'Write bytes a second, like 5MB, or unlimited.');
  return value;
}

function host(text: string): string {
  const bare = text.replace(/^\[(.*)\]$/, '$1');
  if (isIP(bare) === 0 && !/^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?$/i.test(bare))
    refuse('is not an address or a host name', 'Write an address like 127.0.0.1 or ::1.');
  // All of digits and dots, but no address: 127.0.0.256 would be asked of the name server.
  if (isIP(bare) === 0 && /^[\d.]+$/.test(bare)) refuse('is not an address', 'Write an address like 127.0.0.1 or ::1.');
  return bare;
}

function hostNames(text: string): string[] {
  const names = text.split(',').map((name) => name.trim().toLowerCase());
  const bad = names.find((name) => !/^(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[?[0-9a-f:.]+\]?)$/.test(name));
  if (bad !== undefined) refuse('is not a host name', 'Write a name like media.example.org, without scheme and port.');
  return names;
}

function publicUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const bare = url !== null && url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  if (!bare || !/^https?:$/.test(url.protocol))
    refuse('is not a plain http:// or https:// URL', 'Write a URL like https://media.example.org.');
  return url.href.replace(/\/+$/, '');
}

function token(text: string): string {
  if (!/^[\x21-\x7e]+$/.test(text))
    refuse('holds characters that a header cannot carry', 'Use letters, digits and punctuation, without spaces.');
  return text;
}

function database(text: string): 'sqlite:' {
  if (/^postgres(?:ql)?:/i.test(text))
    refuse('names a PostgreSQL database, which this version cannot use yet', 'Leave it out: the database is a file in the cache folder.');
  if (text !== 'sqlite:')
    refuse('is not a database that this version knows', 'Write sqlite: (a file in the cache folder), or leave it out.');
  return text;
}

function fill(text: string): 'always' | 'never' {
  if (text === 'watched') refuse('is not available in this version yet', 'Write always or never.');
  if (text !== 'always' && text !== 'never') refuse('is not a value it can have', 'Write always or never.');
  return text;
}

function path(text: string): string {
  if (text.includes('\0')) refuse('is not a path');
  return text;
}

/**
 * Every setting of the daemon: limits, defaults and documentation. Names become `--cache-dir`, `SEEKWELL_CACHE_DIR`, and `cache-dir` in the
 * configuration file. Every value comes as text.
 */
export const settingsSchema = z.strictObject({
  host: setting(host)
    .prefault('127.0.0.1')
    .register(docs, { value: 'address', help: 'address to listen on; one that others reach needs a token' }),
  port: integer(0, 65_535).prefault('7335').register(docs, { value: 'number', help: 'port to listen on; 0 takes a free one' }),
  cacheDir: setting(path).optional().register(docs, { value: 'folder', help: 'cache folder', fallback: "the platform's" }),
  database: setting(database)
    .prefault('sqlite:')
    .register(docs, { value: 'url', help: 'database; sqlite: is a file in the cache folder', secret: true }),
  maxSize: setting((text) => diskShare(text, true))
    .prefault('20%')
    .register(docs, { value: 'size', help: 'most bytes to keep: 50GB, 500MiB, 30% of the disk, unlimited' }),
  minFree: setting((text) => diskShare(text, false))
    .prefault('5%')
    .register(docs, { value: 'size', help: 'what to leave free on the disk' }),
  connections: integer(1, 64).prefault('4').register(docs, { value: 'number', help: 'fetches at the same time for one entry' }),
  connectionsPerOrigin: integer(1, 256).prefault('8').register(docs, { value: 'number', help: 'fetches at the same time from one origin' }),
  chunkSize: setting((text) => bytes(text, 4 * KIB, GIB, '4KiB to 1GiB'))
    .prefault('4MiB')
    .register(docs, { value: 'size', help: 'most bytes of one piece of work' }),
  lookahead: setting((text) => (text === 'auto' ? text : bytes(text, 0, TIB, '0 to 1TiB, or auto')))
    .prefault('auto')
    .register(docs, { value: 'size', help: 'how far to fetch ahead of a reader; auto: 60 s of its rate' }),
  fill: setting(fill).prefault('always').register(docs, { value: 'when', help: 'complete entries that a reader opened: always, never' }),
  limitRate: setting(rate)
    .prefault('unlimited')
    .register(docs, { value: 'rate', help: 'cap for all fetches together, like 5MB (a second)' }),
  backgroundLimitRate: setting(rate)
    .prefault('unlimited')
    .register(docs, { value: 'rate', help: 'cap for fetches that no player waits for' }),
  scrubRate: setting((text) => (text === 'off' ? null : bytes(text.replace(/\/s$/i, ''), KIB, GIB, '1KiB to 1GiB a second, or off')))
    .prefault('8MiB')
    .register(docs, { value: 'rate', help: 'how fast cached bytes are checked while nothing else happens; off: never' }),
  durability: oneOf('power-loss', 'process-crash')
    .prefault('power-loss')
    .register(docs, { value: 'what', help: 'what recorded bytes survive: power-loss, process-crash' }),
  workers: integer(1, 64).prefault('1').register(docs, { value: 'number', help: 'processes that share the port and the cache' }),
  token: setting(token).optional().register(docs, {
    value: 'text',
    help: 'what the API asks for as Authorization: Bearer; others see it in the process list',
    fallback: 'none',
    secret: true,
  }),
  tokenFile: setting(path).optional().register(docs, { value: 'file', help: 'file that holds the token', fallback: 'none' }),
  allowedHost: setting(hostNames).optional().register(docs, {
    value: 'name',
    help: 'further host name to answer to; may be repeated',
    fallback: 'loopback names, any address',
    list: true,
  }),
  publicUrl: setting(publicUrl).optional().register(docs, {
    value: 'url',
    help: 'base of stream URLs when others reach the daemon by another name',
    fallback: 'none',
    secret: true,
  }),
  drainTimeout: setting(parseDuration).optional().register(docs, {
    value: 'duration',
    help: 'how long streams may go on after SIGTERM; none: while they move',
    fallback: '5s on a terminal, else none',
  }),
  logFormat: oneOf('pretty', 'json')
    .optional()
    .register(docs, { value: 'format', help: 'pretty, json', fallback: 'pretty on a terminal, else json' }),
  logLevel: oneOf('trace', 'debug', 'info', 'warn', 'error', 'silent')
    .prefault('info')
    .register(docs, { value: 'level', help: 'trace, debug, info, warn, error, silent' }),
});

/** What the schema makes of the texts; undefined: nobody said anything, and the platform or the terminal decides. */
export type ParsedSettings = z.output<typeof settingsSchema>;
export type SettingName = keyof ParsedSettings;

export const SETTING_NAMES = Object.keys(settingsSchema.shape) as SettingName[];

/** What is said about a setting, with its default as text. */
export function docOf(name: SettingName): SettingDoc & { readonly fallback: string } {
  const schema = settingsSchema.shape[name];
  const doc = docs.get(schema) as SettingDoc;
  const fallback = schema instanceof z.ZodPrefault ? String(schema.def.defaultValue) : 'none';
  return { ...doc, fallback: doc.fallback ?? fallback };
}

/** `cacheDir` as users write it: `cache-dir`. */
export function kebabName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The variable of the environment for the setting `name`. */
export function variableOf(name: string): string {
  return `SEEKWELL_${kebabName(name).replaceAll('-', '_').toUpperCase()}`;
}
