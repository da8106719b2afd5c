import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { directEnvironment, end } from '../../support/child-process.ts';
import { eventually } from '../../support/eventually.ts';
import { programPath } from '../../support/require-program.ts';

/** The control socket of a running mpv: one line of JSON each way. */
class Control {
  readonly #socket: Socket;
  readonly #answers: AsyncIterator<string>;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#answers = createInterface(socket)[Symbol.asyncIterator]();
  }

  async ask(...command: (string | number)[]): Promise<unknown> {
    this.#socket.write(`${JSON.stringify({ command })}\n`);
    for (;;) {
      const line = await this.#answers.next();
      if (line.done === true) throw new Error('mpv ended');
      const answer = JSON.parse(line.value) as { event?: string; error?: string; data?: unknown };
      if (answer.event === undefined) return answer.data;
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}

async function connect(path: string): Promise<Control> {
  const socket = await eventually('mpv listens', async () => {
    const attempt = createConnection(path);
    await once(attempt, 'connect');
    return attempt;
  });
  return new Control(socket);
}

/** Plays `url` with mpv from `places[0]` on (seconds), at its own pace, for `seconds`; seeks to the next place and plays on; and so forth. */
export async function playMpv(url: string, places: readonly number[], seconds: number, folder: string): Promise<void> {
  const path = join(folder, 'mpv.sock');
  const quiet = ['--no-config', '--really-quiet', '--vo=null', '--ao=null', `--input-ipc-server=${path}`];
  const [start = 0, ...seeks] = places;
  const from = start === 0 ? [] : [`--start=${start}`];
  const mpv = spawn(programPath('mpv'), [...quiet, ...from, '--', url], { env: directEnvironment(), stdio: 'ignore' });
  const control = await connect(path);
  try {
    const playedFrom = (place: number): Promise<unknown> =>
      eventually(
        `mpv plays from ${place} s`,
        async () => {
          const time = (await control.ask('get_property', 'playback-time')) as number | undefined;
          return time !== undefined && time >= place + seconds && time < place + 2 * seconds + 2;
        },
        60_000,
      );
    await playedFrom(start);
    for (const place of seeks) {
      await control.ask('seek', place, 'absolute');
      await playedFrom(place);
    }
  } finally {
    control.close();
    await end(mpv, 'SIGTERM');
  }
}
