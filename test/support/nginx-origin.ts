import type { ChildProcessByStdio } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { end } from './child-process.ts';
import { programPath } from './require-program.ts';
import { afterThisTest } from './temp-folder.ts';

/** How often another free port is tried when somebody else took the one that was found. */
const ATTEMPTS = 10;
/** Answered without a line in the access log: see `requests`. */
const MARKER_PATH = '/-/logged';

export interface NginxOptions {
  /** What it serves, at `/`. */
  readonly folder: string;
  /** An empty or missing folder for its own files. */
  readonly prefix: string;
  /** Bytes a second for each connection. nginx counts whole seconds: it may send one second's worth at once at first. */
  readonly limitRate?: number;
  /** Further lines for the `server` block. */
  readonly extra?: string;
  /** A port to listen on again; left out, a free one. */
  readonly port?: number;
}

/** One line of the access log. */
export interface NginxRequest {
  readonly method: string;
  readonly uri: string;
  readonly status: number;
  /** The Range header, or an empty string. */
  readonly range: string;
  readonly ifRange: string;
  /** Bytes of the body that the kernel took. */
  readonly bytes: number;
}

function configOf(options: NginxOptions, port: number): string {
  const fields = '"method":"$request_method","uri":"$uri","status":$status,"range":"$http_range","ifRange":"$http_if_range"';
  // One process that neither forks nor changes its user: whoever kills it leaves nothing behind, and it may read the test's folders.
  return `
daemon off;
master_process off;
pid nginx.pid;
error_log stderr notice;
events { worker_connections 512; }
http {
  types { video/mp4 mp4; video/x-matroska mkv; }
  default_type application/octet-stream;
  sendfile on;
  keepalive_requests 100000;
  log_format requests escape=json '{${fields},"bytes":$body_bytes_sent}';
  client_body_temp_path temp; proxy_temp_path temp; fastcgi_temp_path temp; uwsgi_temp_path temp; scgi_temp_path temp;
  server {
    listen 127.0.0.1:${port};
    root ${JSON.stringify(options.folder)};
    access_log access.log requests;
    limit_rate ${options.limitRate ?? 0};
    ${options.extra ?? ''}
    location = ${MARKER_PATH} { access_log off; limit_rate 0; return 204; }
  }
}
`;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

type Nginx = ChildProcessByStdio<null, null, Readable>;

/** Resolves true once nginx listens, false when somebody else has the port. */
function listening(child: Nginx): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      // It would try again for seconds.
      if (/bind\(\) to .* failed/.test(said)) resolve(false);
      // Its name and version come after its sockets are open and before it waits for events; the kernel keeps who connects in between.
      else if (/\[notice\].* nginx\/\d/.test(said)) resolve(true);
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`nginx ended with ${code}: ${said}`)));
  });
}

/** A real nginx on 127.0.0.1 that serves a folder, with an access log that tests can read. */
export class NginxOrigin {
  readonly port: number;
  readonly #child: Nginx;
  readonly #prefix: string;

  private constructor(child: Nginx, port: number, prefix: string) {
    this.#child = child;
    this.port = port;
    this.#prefix = prefix;
  }

  /** Starts one. Within a test it is stopped at the end of it. */
  static async start(options: NginxOptions): Promise<NginxOrigin> {
    const { prefix } = options;
    await mkdir(join(prefix, 'temp'), { recursive: true });
    await rm(join(prefix, 'access.log'), { force: true });
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const port = options.port ?? (await freePort());
      await writeFile(join(prefix, 'nginx.conf'), configOf(options, port));
      const child = spawn(programPath('nginx'), ['-p', prefix, '-c', 'nginx.conf', '-e', 'stderr'], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      if (await listening(child)) {
        const nginx = new NginxOrigin(child, port, prefix);
        afterThisTest(() => nginx.stop());
        return nginx;
      }
      await end(child, 'SIGKILL');
    }
    throw new Error(`nginx found no port in ${ATTEMPTS} attempts`);
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  url(file: string): string {
    return `${this.baseUrl}/${encodeURIComponent(file)}`;
  }

  /** Every request that has ended, in the order of their ends. */
  async requests(): Promise<NginxRequest[]> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      // nginx does one thing after the other: once it answers this, what it answered before is in the log.
      await fetch(this.baseUrl + MARKER_PATH);
    }
    const log = await readFile(join(this.#prefix, 'access.log'), 'utf8');
    return log
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as NginxRequest);
  }

  /** Bytes of bodies that it sent for `file`. */
  async bytesSent(file: string): Promise<number> {
    const requests = await this.requests();
    return requests.filter(({ uri }) => uri === `/${file}`).reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Ends it; from then on its port refuses connections. */
  async stop(): Promise<void> {
    // A SIGTERM that comes before it first waits for events is noted and then waited over for ever. Its log is not buffered: nothing is lost.
    await end(this.#child, 'SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
