import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { end } from '../support/child-process.ts';
import { Daemon } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import { temporaryFolder } from '../support/temp-folder.ts';
import { spawnCli } from './spawn-cli.ts';

const MIB = 1024 * 1024;

/** A daemon with a stream of `size` bytes under way that the origin sends at `rate` bytes a second. */
async function streaming(size: number, rate: number, ...args: string[]): Promise<{ daemon: Daemon; body: Promise<number> }> {
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size, rate });
  const daemon = await Daemon.start({ cacheDir: await temporaryFolder(), args });
  const response = await fetch((await daemon.register(film.url, { fill: false })).streamUrl);
  return { daemon, body: response.arrayBuffer().then((bytes) => bytes.byteLength) };
}

describe('serve', () => {
  test('says on stdout in one line where it listens, and logs JSON to stderr', async () => {
    const daemon = await Daemon.start({ cacheDir: await temporaryFolder() });
    expect(await daemon.stop()).toBe(0);
    expect(daemon.stdout).toBe(`Seekwell is listening on ${daemon.baseUrl}\n`);
    const lines = daemon.stderr.trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ level: 30 });
  });

  test('logs nothing where it was told so, and pretty lines where it was told so', async () => {
    const silent = await Daemon.start({ cacheDir: await temporaryFolder(), args: ['--log-level', 'silent'] });
    await silent.stop();
    expect(silent.stderr).toBe('');
    const pretty = await Daemon.start({ cacheDir: await temporaryFolder(), args: ['--log-format', 'pretty'] });
    await pretty.stop();
    expect(pretty.stderr).toContain('listening');
    expect(pretty.stderr).not.toContain('{"level"');
  });

  test('takes its settings from the environment and from a file', async () => {
    const folder = await temporaryFolder();
    const config = join(folder, 'seekwell.yaml');
    await writeFile(config, 'cache-dir: cache\nport: 1\nmax-size: 10MB\n');
    const { child, stdout, stderr } = spawnCli(['serve', '--config', config, '--port', '0']);
    await eventually(`it listens: ${stderr()}`, () => stdout().includes('listening'));
    const base = /http:\S+/.exec(stdout())?.[0];
    expect(await (await fetch(`${base}/api/v1/stats`)).json()).toMatchObject({ quotaBytes: 10e6 });
    expect(stderr()).toContain(JSON.stringify(join(folder, 'cache')));
    expect(await end(child, 'SIGINT')).toBe(0);
  });

  test('asks for the token that it was given', async () => {
    const token = join(await temporaryFolder(), 'token');
    await writeFile(token, 'geheim\n');
    const daemon = await Daemon.start({ cacheDir: await temporaryFolder(), args: ['--token-file', token] });
    expect((await fetch(`${daemon.baseUrl}/api/v1/entries`)).status).toBe(401);
    const response = await fetch(`${daemon.baseUrl}/api/v1/entries`, { headers: { authorization: 'Bearer geheim' } });
    expect(response.status).toBe(200);
  });
});

describe('SIGTERM', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('%s ends an idle daemon with 0', async (signal) => {
    const { child, stdout } = spawnCli(['serve', '--port', '0', '--cache-dir', await temporaryFolder()]);
    await eventually('it listens', () => stdout().includes('listening'));
    expect(await end(child, signal)).toBe(0);
  });

  test('before it listens too', async () => {
    const { child } = spawnCli(['serve', '--port', '0', '--cache-dir', await temporaryFolder()]);
    await once(child, 'spawn');
    child.kill('SIGTERM');
    await once(child, 'exit');
    // The signal of a program that had not begun yet is the system's own.
    expect([child.exitCode, child.signalCode]).toContainEqual(child.signalCode === null ? 0 : 'SIGTERM');
  });

  test('lets a stream that moves go on to its end', async () => {
    const { daemon, body } = await streaming(4 * MIB, 2 * MIB);
    const stopped = daemon.stop();
    await eventually('nothing is accepted any more', async () =>
      fetch(`${daemon.baseUrl}/health/live`).then(
        () => false,
        () => true,
      ),
    );
    expect(await body).toBe(4 * MIB);
    expect(await stopped).toBe(0);
  });

  test('lets streams go on no longer than --drain-timeout', async () => {
    const { daemon, body } = await streaming(64 * MIB, MIB, '--drain-timeout', '500ms');
    body.catch(() => {});
    const started = performance.now();
    expect(await daemon.stop()).toBe(0);
    expect(performance.now() - started).toBeLessThan(5_000);
    await expect(body).rejects.toThrow();
  });

  test('a second one ends it at once', async () => {
    const { daemon, body } = await streaming(64 * MIB, MIB, '--drain-timeout', '1h');
    body.catch(() => {});
    const stopped = daemon.stop();
    await eventually('nothing is accepted any more', async () =>
      fetch(`${daemon.baseUrl}/health/live`).then(
        () => false,
        () => true,
      ),
    );
    process.kill(daemon.pid, 'SIGTERM');
    const started = performance.now();
    expect(await stopped).toBe(0);
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  test('a stream that nothing moves in is not waited for', async () => {
    const origin = await ScriptedOrigin.start();
    const film = origin.add('/film.mkv', { size: 8 * MIB, fault: { kind: 'stall', after: MIB } });
    const daemon = await Daemon.start({ cacheDir: await temporaryFolder() });
    const response = await fetch((await daemon.register(film.url, { fill: false })).streamUrl);
    response.arrayBuffer().catch(() => {});
    expect(await daemon.stop()).toBe(0);
  });
});
