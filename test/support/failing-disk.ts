import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runToSuccess } from './child-process.ts';
import { programPath } from './require-program.ts';

const SOURCE = fileURLToPath(new URL('failing-disk.cc', import.meta.url));

/** What can fail: reads, writes, syncs, closing. */
export type DiskCall = 'r' | 'w' | 's' | 'c';

/** A disk that answers EIO when it is told to, for the daemons that are started with its `env`. Theirs alone, and without root. */
export class FailingDisk {
  readonly env: NodeJS.ProcessEnv;
  readonly #control: string;

  private constructor(library: string, control: string) {
    this.env = { LD_PRELOAD: library, FAILING_DISK: control };
    this.#control = control;
  }

  /** @param folder where it keeps what it needs */
  static async make(folder: string): Promise<FailingDisk> {
    const library = join(folder, 'failing-disk.so');
    await runToSuccess(programPath('c++'), ['-shared', '-fPIC', '-O1', '-Wall', '-Wextra', '-Werror', '-o', library, SOURCE, '-ldl']);
    return new FailingDisk(library, join(folder, 'failing'));
  }

  /** From now on `calls` fail on files whose path has `where` in it. */
  async fail(calls: readonly DiskCall[], where: string): Promise<void> {
    // Whole at once: it is read at every call.
    await writeFile(`${this.#control}.new`, `${calls.join('')}\n${where}\n`);
    await rename(`${this.#control}.new`, this.#control);
  }

  async mend(): Promise<void> {
    await this.fail([], '');
  }

  /** How many calls of this kind have failed so far. */
  async failures(call: DiskCall): Promise<number> {
    const all = await readFile(`${this.#control}.failures`, 'utf8').catch(() => '');
    return all.split(call).length - 1;
  }
}
