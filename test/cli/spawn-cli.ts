import { type ChildProcess, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { directEnvironment, end } from '../support/child-process.ts';
import { afterThisTest } from '../support/temp-folder.ts';

const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface Spawned {
  readonly child: ChildProcess;
  /** What it said so far. */
  stdout(): string;
  stderr(): string;
}

/** Starts `seekwell ARGS` and lets it run: for tests that send it signals. Gone at the end of the test. */
export function spawnCli(args: readonly string[]): Spawned {
  const home = join(tmpdir(), 'seekwell-test-no-home');
  const child = spawn(process.execPath, [CLI, ...args], { env: { ...directEnvironment(), HOME: home }, stdio: ['ignore', 'pipe', 'pipe'] });
  afterThisTest(() => end(child, 'SIGKILL'));
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return { child, stdout: () => stdout, stderr: () => stderr };
}
