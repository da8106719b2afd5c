import { mkdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { loadSettings, tokenOf } from '#seekwell/config/load-settings';
import { docOf, SETTING_NAMES, variableOf } from '#seekwell/config/settings-schema';
import { temporaryFolder } from '../support/temp-folder.ts';

let folder: string;

beforeEach(async () => {
  folder = await temporaryFolder();
  // The platform's folders of whoever runs the tests are not looked at.
  vi.stubEnv('XDG_CONFIG_HOME', join(folder, 'config'));
  vi.stubEnv('XDG_CACHE_HOME', join(folder, 'cache'));
});

afterEach(() => {
  vi.unstubAllEnvs();
});

async function configFile(text: string, name = 'config.yaml'): Promise<string> {
  const path = join(folder, 'config', 'seekwell', name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  return path;
}

describe('defaults', () => {
  test('are those of the contract', async () => {
    const settings = await loadSettings({}, {});
    expect(settings).toMatchObject({
      host: '127.0.0.1',
      port: 7335,
      database: 'sqlite:',
      maxSize: '20%',
      minFree: '5%',
      connections: 4,
      connectionsPerOrigin: 8,
      chunkSize: 4 * 1024 * 1024,
      lookahead: 'auto',
      fill: 'always',
      limitRate: null,
      backgroundLimitRate: null,
      durability: 'power-loss',
      workers: 1,
      logLevel: 'info',
    });
    expect([settings.token, settings.tokenFile, settings.publicUrl, settings.allowedHost, settings.drainTimeout]).toEqual(
      new Array(5).fill(undefined),
    );
  });

  test.runIf(process.platform === 'linux')('the cache folder honours XDG_CACHE_HOME', async () => {
    expect((await loadSettings({}, {})).cacheDir).toBe(join(folder, 'cache', 'seekwell'));
  });

  test('stand in the documentation as they hold', () => {
    for (const name of SETTING_NAMES) expect(docOf(name).fallback, name).not.toBe('');
    expect(docOf('port').fallback).toBe('7335');
    expect(docOf('chunkSize').fallback).toBe('4MiB');
  });
});

describe('order', () => {
  test('the command line goes before the environment, that before the file', async () => {
    await configFile('port: 1000\nconnections: 2\nmax-size: 10GB\n');
    const env = { SEEKWELL_PORT: '2000', SEEKWELL_CONNECTIONS: '3' };
    expect(await loadSettings({ port: '3000' }, env)).toMatchObject({ port: 3000, connections: 3, maxSize: '10GB' });
  });

  test('a variable that is set to nothing says nothing', async () => {
    await configFile('port: 1000');
    expect((await loadSettings({}, { SEEKWELL_PORT: '' })).port).toBe(1000);
  });

  test('a flag that is set to nothing is a mistake', async () => {
    await expect(loadSettings({ cacheDir: '' }, {})).rejects.toMatchObject({ code: 'BAD_OPTION', message: '--cache-dir is empty' });
  });

  test('variables are named after the options', () => {
    expect(variableOf('connectionsPerOrigin')).toBe('SEEKWELL_CONNECTIONS_PER_ORIGIN');
  });

  test('variables that are no setting are none of our business', async () => {
    expect((await loadSettings({}, { SEEKWELL_SERVICE_HOST: '10.0.0.1' })).host).toBe('127.0.0.1');
  });
});

describe('the configuration file', () => {
  test('may be JSON', async () => {
    await configFile('{\n\t"port": 1000,\n\t"allowed-host": ["a.example", "b.example"],\n\t"token": null\n}\n', 'config.json');
    const settings = await loadSettings({}, {});
    expect(settings).toMatchObject({ port: 1000, allowedHost: ['a.example', 'b.example'] });
    expect(settings.token).toBeUndefined();
  });

  test('may be empty, or only say what nobody reads', async () => {
    await configFile('');
    expect((await loadSettings({}, {})).port).toBe(7335);
    await configFile('# port: 1000\n');
    expect((await loadSettings({}, {})).port).toBe(7335);
  });

  test('keeps values as they were written', async () => {
    await configFile('token: 0123\nmax-size: 1048576\nport: "1000"\n');
    expect(await loadSettings({}, {})).toMatchObject({ token: '0123', maxSize: '1048576', port: 1000 });
  });

  test('is named by --config, SEEKWELL_CONFIG', async () => {
    const file = join(folder, 'mine.yaml');
    await writeFile(file, 'port: 1000');
    expect((await loadSettings({ config: file }, {})).port).toBe(1000);
    expect((await loadSettings({}, { SEEKWELL_CONFIG: file })).port).toBe(1000);
  });

  test('its paths begin where it lies, and ~ is the home folder', async () => {
    const path = await configFile('cache-dir: films\ntoken-file: ~/token\n');
    expect(await loadSettings({}, {})).toMatchObject({ cacheDir: join(dirname(path), 'films'), tokenFile: join(homedir(), 'token') });
  });

  test.each([
    ['prot: 1000', 'there is no setting "prot"'],
    ['cacheDir: x', 'there is no setting "cacheDir"'],
    ['- port', 'this is not a list of settings'],
    ['port', 'this is not a list of settings'],
    ['port: {a: 1}', 'the value of port is neither a text nor a number nor a list of them'],
    ['port: [1', 'at line 1'],
    ['port: *geheim', 'it holds an alias that cannot be resolved'],
    ['port: 1\nport: 2', 'Map keys must be unique at line 2, column 1'],
  ])('%j is refused', async (text, complaint) => {
    const path = await configFile(text);
    const refusal = await loadSettings({}, {}).catch((error: Error) => error);
    expect(refusal).toMatchObject({ code: 'BAD_CONFIG' });
    expect((refusal as Error).message).toContain(complaint);
    expect((refusal as Error).message).toContain(path);
    expect((refusal as Error).message).not.toContain('\n');
  });

  test('a wrong value names the file', async () => {
    const path = await configFile('port: 70000');
    await expect(loadSettings({}, {})).rejects.toMatchObject({
      code: 'BAD_CONFIG',
      message: `port in ${path} "70000" is not a whole number from 0 to 65535`,
    });
  });

  test('one that was named must be there', async () => {
    await expect(loadSettings({ config: join(folder, 'none.yaml') }, {})).rejects.toMatchObject({ code: 'BAD_CONFIG' });
    await expect(loadSettings({ config: folder }, {})).rejects.toMatchObject({
      code: 'BAD_CONFIG',
      message: expect.stringContaining('is a folder'),
    });
  });
});

describe('values', () => {
  test.each([
    ['host', '[::1]', '::1'],
    ['host', 'media.example.org', 'media.example.org'],
    ['port', '0', 0],
    ['maxSize', 'unlimited', 'unlimited'],
    ['minFree', '0', '0'],
    ['chunkSize', '64KiB', 65_536],
    ['lookahead', '100MB', 1e8],
    ['limitRate', '5MB', 5e6],
    ['limitRate', '5MB/s', 5e6],
    ['backgroundLimitRate', 'none', null],
    ['publicUrl', 'https://media.example.org/cache/', 'https://media.example.org/cache'],
    ['drainTimeout', '2m', 120_000],
    ['drainTimeout', 'none', null],
  ])('--%s %s', async (name, text, value) => {
    expect(await loadSettings({ [name]: text }, {})).toHaveProperty(name, value);
  });

  test('--allowed-host may be repeated, and hold several', async () => {
    expect((await loadSettings({ allowedHost: ['A.example', 'b.example, 192.168.1.5'] }, {})).allowedHost).toEqual([
      'a.example',
      'b.example',
      '192.168.1.5',
    ]);
  });

  test.each([
    ['host', 'a b'],
    ['host', '127.0.0.256'],
    ['host', 'http://127.0.0.1'],
    ['port', '65536'],
    ['port', '-1'],
    ['port', '7335.5'],
    ['port', '0x10'],
    ['maxSize', '0'],
    ['maxSize', '0%'],
    ['maxSize', 'lots'],
    ['minFree', 'unlimited'],
    ['connections', '0'],
    ['connections', '65'],
    ['connectionsPerOrigin', '1000'],
    ['chunkSize', '1KiB'],
    ['chunkSize', '2GiB'],
    ['chunkSize', '5%'],
    ['lookahead', 'far'],
    ['fill', 'watched'],
    ['limitRate', '0'],
    ['limitRate', '5%'],
    ['durability', 'none'],
    ['workers', '0'],
    ['workers', '65'],
    ['database', 'mysql://x'],
    ['token', 'a b'],
    ['allowedHost', 'https://a.example'],
    ['allowedHost', 'a.example,,'],
    ['publicUrl', 'media.example.org'],
    ['publicUrl', 'ftp://media.example.org'],
    ['publicUrl', 'https://media.example.org/?a=b'],
    ['drainTimeout', 'later'],
    ['logFormat', 'xml'],
    ['logLevel', 'loud'],
  ])('--%s %j is refused', async (name, text) => {
    await expect(loadSettings({ [name]: text }, {})).rejects.toMatchObject({ code: 'BAD_OPTION', hint: expect.stringMatching(/\.$/) });
  });

  test.each([
    ['database', 'postgres://user:geheim@host/db'],
    ['token', 'geheim geheim'],
    ['publicUrl', 'https://user:geheim@host'],
  ])('a wrong --%s is not repeated', async (name, text) => {
    const refusal = (await loadSettings({ [name]: text }, {}).catch((error: Error) => error)) as Error;
    expect(refusal.message).not.toContain('geheim');
  });
});

describe('the token', () => {
  test('comes from its file, without the end of the line', async () => {
    const tokenFile = join(folder, 'token');
    await writeFile(tokenFile, 'abc\n');
    expect(await tokenOf(await loadSettings({ tokenFile }, {}))).toBe('abc');
  });

  test('said more closely goes before a file said less closely', async () => {
    const settings = await loadSettings({ token: 'abc' }, { SEEKWELL_TOKEN_FILE: join(folder, 'none') });
    expect(await tokenOf(settings)).toBe('abc');
  });

  test('and its file exclude each other', async () => {
    await expect(loadSettings({ token: 'abc', tokenFile: 'x' }, {})).rejects.toMatchObject({ code: 'BAD_OPTION' });
  });

  test.each([
    ['missing', null],
    ['empty', '\n'],
    ['of two words', 'a b'],
  ])('a file that is %s is refused', async (_what, text) => {
    const tokenFile = join(folder, 'token');
    if (text !== null) await writeFile(tokenFile, text);
    await expect(loadSettings({ tokenFile }, {}).then(tokenOf)).rejects.toMatchObject({ code: 'BAD_OPTION' });
  });
});
