import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Document } from 'yaml';
import { SeekwellError } from '../errors.ts';
import { platformFolders } from './platform-folders.ts';
import { kebabName, SETTING_NAMES, type SettingName } from './settings-schema.ts';

/** A configuration file as text for each setting. */
export interface ConfigFile {
  readonly path: string;
  readonly values: ReadonlyMap<SettingName, string>;
}

const DEFAULT_NAMES = ['config.yaml', 'config.yml', 'config.json'];

/** What stands for "nothing said" in YAML and JSON. */
const NOTHING = new Set(['', '~', 'null']);

/** The text of `path`, or null where it does not exist. @throws SeekwellError BAD_CONFIG */
async function textOf(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    const reason =
      code === 'EISDIR' ? 'is a folder' : code === 'EACCES' || code === 'EPERM' ? 'may not be read' : `cannot be read (${code})`;
    throw new SeekwellError('BAD_CONFIG', `the configuration file ${path} ${reason}`, { cause: error });
  }
}

function bad(path: string, reason: string, hint?: string): SeekwellError {
  return new SeekwellError('BAD_CONFIG', `${path}: ${reason}`, hint === undefined ? {} : { hint });
}

/** A value of the file as text, commas between those of a list. Null: nothing said. */
function givenText(path: string, key: string, value: unknown): string | null {
  if (typeof value === 'string') return NOTHING.has(value) ? null : value;
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value.join(',');
  throw bad(path, `the value of ${key} is neither a text nor a number nor a list of them`);
}

function contentOf(document: Document.Parsed, path: string): unknown {
  try {
    return document.contents === null ? {} : document.toJS();
  } catch {
    // An alias of nothing, or of far too much.
    throw bad(path, 'it holds an alias that cannot be resolved');
  }
}

async function parse(path: string, text: string): Promise<ConfigFile> {
  const { parseDocument } = await import('yaml');
  // JSON is YAML. The failsafe schema keeps every value as the text that the user wrote: a token of 0123 stays that.
  const document = parseDocument(text, { schema: 'failsafe' });
  const [error] = document.errors;
  if (error !== undefined) throw bad(path, (error.message.split('\n')[0] ?? '').replace(/:$/, ''));
  const content = contentOf(document, path);
  if (content === '') return { path, values: new Map() };
  if (typeof content !== 'object' || content === null || Array.isArray(content))
    throw bad(path, 'this is not a list of settings', 'Write lines like port: 7335.');
  const values = new Map<SettingName, string>();
  for (const [key, value] of Object.entries(content)) {
    const name = SETTING_NAMES.find((known) => kebabName(known) === key);
    if (name === undefined)
      throw bad(path, `there is no setting "${key}"`, 'The settings are named as the options of seekwell serve --help.');
    const given = givenText(path, key, value);
    if (given !== null) values.set(name, given);
  }
  return { path, values };
}

/**
 * Reads the configuration file: `path`, or the one in the platform's folder. Null: there is none.
 * @throws SeekwellError BAD_CONFIG
 */
export async function readConfigFile(path: string | null): Promise<ConfigFile | null> {
  if (path !== null) {
    const text = await textOf(path);
    if (text === null)
      throw new SeekwellError('BAD_CONFIG', `the configuration file ${path} does not exist`, { hint: 'Name another with --config.' });
    return parse(path, text);
  }
  const { config } = platformFolders();
  for (const name of DEFAULT_NAMES) {
    const candidate = join(config, name);
    const text = await textOf(candidate);
    if (text !== null) return parse(candidate, text);
  }
  return null;
}
