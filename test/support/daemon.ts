import type { ChildProcessByStdio } from 'node:child_process';
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Finished, RunOptions } from './child-process.ts';
import { directEnvironment, end, run } from './child-process.ts';
import { afterThisTest } from './temp-folder.ts';

/** The built command. It runs from `dist/`, as a user's does. */
const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** An entry as the API shows it. */
export interface EntryJson {
  readonly id: number;
  readonly source: string;
  readonly media: string;
  readonly quality: string;
  readonly filename: string | null;
  readonly state: 'NotStarted' | 'Initializing' | 'Downloading' | 'Paused' | 'Complete' | 'Failed';
  readonly error: string | null;
  readonly lastError: string | null;
  readonly retryAt: string | null;
  readonly expectedTotalSize: number | null;
  readonly downloadedBytes: number;
  readonly progress: number | null;
  readonly pendingChunks: number;
  readonly spanCount: number;
  readonly mimeType: string | null;
  readonly pinned: boolean;
  readonly fill: boolean;
  readonly createdAt: string;
  readonly lastAccessed: string | null;
  readonly streamUrl: string;
}

/** The body of `POST /api/v1/entries` beside the URL. */
export interface RegisterOptions {
  readonly source?: string;
  readonly media?: string;
  readonly quality?: string;
  readonly filename?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly prefetch?: boolean;
  readonly pinned?: boolean;
  readonly fill?: boolean;
}

/** The environment of a user who has set nothing: no settings, no config file of whoever runs the tests, no proxies. */
function cleanEnvironment(env: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const home = join(tmpdir(), 'seekwell-test-no-home');
  const inherited = Object.entries(directEnvironment()).filter(([name]) => !/^(SEEKWELL|XDG)_/.test(name));
  return { ...Object.fromEntries(inherited), HOME: home, USERPROFILE: home, APPDATA: home, LOCALAPPDATA: home, ...env };
}

/** Runs `seekwell ARGS` to its end. */
export function seekwell(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return run(process.execPath, [CLI, ...args], { ...options, env: cleanEnvironment(options.env) });
}

/** As `seekwell`, by somebody whom permission bits bind: root is one only without these two capabilities. */
export function seekwellBound(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  if (process.getuid?.() !== 0) return seekwell(args, options);
  const without = '-dac_override,-dac_read_search';
  const command = [`--bounding-set=${without}`, `--inh-caps=${without}`, process.execPath, CLI, ...args];
  return run('setpriv', command, { ...options, env: cleanEnvironment(options.env) });
}

export interface DaemonOptions {
  readonly cacheDir: string;
  /** Further options of `serve`. */
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

type Child = ChildProcessByStdio<null, Readable, Readable>;

/** `seekwell serve` in a process of its own, on a free port. */
export class Daemon {
  readonly baseUrl: string;
  readonly pid: number;
  readonly #child: Child;
  readonly #said: { stdout: string; stderr: string };

  private constructor(child: Child, baseUrl: string, said: { stdout: string; stderr: string }) {
    this.#child = child;
    this.baseUrl = baseUrl;
    this.pid = child.pid ?? 0;
    this.#said = said;
  }

  /** Starts one and waits until it accepts connections. Within a test it is killed at the end of it. */
  static async start({ cacheDir, args = [], env }: DaemonOptions): Promise<Daemon> {
    const command = [CLI, 'serve', '--port', '0', '--cache-dir', cacheDir, ...args];
    const child = spawn(process.execPath, command, { env: cleanEnvironment(env), stdio: ['ignore', 'pipe', 'pipe'] });
    afterThisTest(() => end(child, 'SIGKILL'));
    const said = { stdout: '', stderr: '' };
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said.stderr += text));
    const baseUrl = await new Promise<string>((resolve, reject) => {
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        said.stdout += text;
        const url = /^.*listening on (http:\/\/\S+)\n/m.exec(said.stdout)?.[1];
        if (url !== undefined) resolve(url.replace(/\/$/, ''));
      });
      child.once('error', reject);
      // 'close', not 'exit': only then everything it said has been read.
      child.once('close', (code) => reject(new Error(`seekwell serve ended with ${code} before it listened: ${said.stderr}`)));
    });
    return new Daemon(child, baseUrl, said);
  }

  /** What it wrote to stdout so far. */
  get stdout(): string {
    return this.#said.stdout;
  }

  /** What it logged so far. */
  get stderr(): string {
    return this.#said.stderr;
  }

  /** Registers a URL; throws unless the answer is 200 or 201. */
  register(url: string, options: RegisterOptions = {}): Promise<EntryJson> {
    return this.json<EntryJson>('POST', '/api/v1/entries', { url, ...options });
  }

  entry(id: number): Promise<EntryJson> {
    return this.json<EntryJson>('GET', `/api/v1/entries/${id}`);
  }

  /** The cached bytes of an entry, both ends inclusive. */
  async ranges(id: number): Promise<[number, number][]> {
    return (await this.json<{ ranges: [number, number][] }>('GET', `/api/v1/entries/${id}/ranges`)).ranges;
  }

  /** `pause`, `resume`, `retry`, `prefetch`, `pin`, `unpin` or `verify`. */
  act(id: number, action: string, body?: unknown): Promise<unknown> {
    return this.json('POST', `/api/v1/entries/${id}/${action}`, body);
  }

  /** Any request to the API; throws unless it succeeds. An empty answer is undefined. */
  async json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const sent = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    const response = await fetch(this.baseUrl + path, { method, ...sent });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} was answered ${response.status}: ${text.slice(0, 1000)}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  /** Ends it as a power cut would, and resolves once it is gone. */
  async kill9(): Promise<void> {
    await end(this.#child, 'SIGKILL');
  }

  /** Asks it to end and resolves with its exit code (null: a signal ended it). */
  stop(): Promise<number | null> {
    return end(this.#child, 'SIGTERM');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
