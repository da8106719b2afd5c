import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, resolve } from 'node:path';
import { SeekwellError } from '../errors.ts';
import { readConfigFile } from './config-file.ts';
import { platformFolders } from './platform-folders.ts';
import { docOf, kebabName, type ParsedSettings, SETTING_NAMES, type SettingName, settingsSchema, variableOf } from './settings-schema.ts';

/** Every setting as it holds now. Where a value may be undefined, nobody said anything. */
export interface Settings extends ParsedSettings {
  /** Absolute. */
  readonly cacheDir: string;
}

/** What was written on the command line, by setting; `config` names the configuration file. */
export type Flags = { readonly [Name in SettingName | 'config']?: string | readonly string[] | undefined };

/** One value that somebody wrote, and where. */
interface Given {
  readonly text: string;
  /** How to call it in a message: `--port`, `SEEKWELL_PORT`, `port in FILE`. */
  readonly label: string;
  /** 0 the command line, 1 the environment, 2 the file. */
  readonly rank: 0 | 1 | 2;
  /** The folder that relative paths start from. */
  readonly base: string;
}

const PATHS: readonly SettingName[] = ['cacheDir', 'tokenFile'];

function flagText(flags: Flags, name: SettingName | 'config'): string | undefined {
  const flag = flags[name];
  const text = typeof flag === 'object' ? flag.join(',') : flag;
  if (text === '') throw new SeekwellError('BAD_OPTION', `--${kebabName(name)} is empty`, { hint: 'Give it a value, or leave it out.' });
  return text;
}

/** `text` as an absolute path. A shell expands `~` only where it stands alone: not in a file, nor after `=`. */
function absolute(text: string, base: string): string {
  return resolve(base, text.replace(/^~(?=$|[/\\])/, homedir()));
}

async function gather(flags: Flags, env: NodeJS.ProcessEnv): Promise<Map<SettingName, Given>> {
  const cwd = process.cwd();
  const configPath = flagText(flags, 'config') ?? (env.SEEKWELL_CONFIG || undefined);
  const file = await readConfigFile(configPath === undefined ? null : absolute(configPath, cwd));
  const given = new Map<SettingName, Given>();
  for (const name of SETTING_NAMES) {
    const flag = flagText(flags, name);
    const variable = env[variableOf(name)];
    const written = file?.values.get(name);
    // A variable that is set to nothing says nothing.
    if (flag !== undefined) given.set(name, { text: flag, label: `--${kebabName(name)}`, rank: 0, base: cwd });
    else if (variable !== undefined && variable !== '') given.set(name, { text: variable, label: variableOf(name), rank: 1, base: cwd });
    else if (file !== null && written !== undefined)
      given.set(name, { text: written, label: `${kebabName(name)} in ${file.path}`, rank: 2, base: dirname(file.path) });
  }
  return given;
}

/** Of a token and a file that holds one, what was said more closely counts. */
function settleToken(given: Map<SettingName, Given>): void {
  const [token, file] = [given.get('token'), given.get('tokenFile')];
  if (token === undefined || file === undefined) return;
  if (token.rank === file.rank) {
    throw new SeekwellError('BAD_OPTION', `${token.label} and ${file.label} exclude each other`, { hint: 'Leave one of them out.' });
  }
  given.delete(token.rank < file.rank ? 'tokenFile' : 'token');
}

/** The first complaint of the schema as one line, naming where the value stands. */
function complaint(
  issue: { readonly path: PropertyKey[]; readonly message: string; readonly params?: { hint?: string } },
  given: Map<SettingName, Given>,
): SeekwellError {
  const name = issue.path[0] as SettingName;
  const source = given.get(name);
  const value = docOf(name).secret === true ? '' : ` "${source?.text}"`;
  const hint = issue.params?.hint;
  return new SeekwellError(
    source?.rank === 2 ? 'BAD_CONFIG' : 'BAD_OPTION',
    `${source?.label ?? name}${value} ${issue.message}`,
    hint === undefined ? {} : { hint },
  );
}

/**
 * All settings: the command line, then the environment, then the configuration file, then the defaults. Touches nothing.
 * @throws SeekwellError BAD_OPTION, BAD_CONFIG
 */
export async function loadSettings(flags: Flags, env: NodeJS.ProcessEnv = process.env): Promise<Settings> {
  const given = await gather(flags, env);
  settleToken(given);
  const parsed = settingsSchema.safeParse(Object.fromEntries([...given].map(([name, { text }]) => [name, text])));
  if (!parsed.success) throw complaint(parsed.error.issues[0] as Parameters<typeof complaint>[0], given);
  const settings: ParsedSettings = { ...parsed.data };
  for (const name of PATHS) {
    const source = given.get(name);
    if (source !== undefined) Object.assign(settings, { [name]: absolute(source.text, source.base) });
  }
  return { ...settings, cacheDir: settings.cacheDir ?? platformFolders().cache };
}

/**
 * The token that requests must show, or null.
 * @throws SeekwellError BAD_OPTION
 */
export async function tokenOf(settings: Settings): Promise<string | null> {
  const { token, tokenFile } = settings;
  if (token !== undefined) return token;
  if (tokenFile === undefined) return null;
  const hint = 'Put the token alone into the file, and let this user read it.';
  let text: string;
  try {
    text = (await readFile(tokenFile, 'utf8')).trim();
  } catch (error) {
    throw new SeekwellError('BAD_OPTION', `the token file ${tokenFile} cannot be read (${(error as NodeJS.ErrnoException).code})`, {
      cause: error,
      hint,
    });
  }
  const parsed = settingsSchema.shape.token.safeParse(text);
  if (!parsed.success || text === '') throw new SeekwellError('BAD_OPTION', `the token file ${tokenFile} holds no token`, { hint });
  return text;
}
