import type { DownloadProgress } from './download-progress.ts';
import { widthOf } from './terminal.ts';

/** How often the line is drawn on a terminal, and written elsewhere, in milliseconds. */
const DRAW_MS = 200;
const WRITE_MS = 10_000;

const START_OF_LINE = '\r\u001b[K';

/** Shows a download on stderr while it runs: one line that is drawn over itself on a terminal, elsewhere a line now and then. */
export class ProgressLine {
  readonly #progress: DownloadProgress;
  readonly #timer: NodeJS.Timeout;
  #drawn = false;

  constructor(progress: DownloadProgress) {
    this.#progress = progress;
    const { isTTY } = process.stderr;
    this.#timer = setInterval(() => this.#draw(), isTTY ? DRAW_MS : WRITE_MS);
    if (isTTY) this.#draw();
  }

  /** Draws the last state and ends the line. */
  end(): void {
    clearInterval(this.#timer);
    if (!this.#drawn) return;
    if (process.stderr.isTTY) {
      this.#draw();
      process.stderr.write('\n');
    }
  }

  #draw(): void {
    this.#drawn = true;
    // One column less: some terminals begin a new line when the last one is filled.
    const line = this.#progress.line(performance.now(), Date.now(), widthOf(process.stderr) - 1);
    process.stderr.write(process.stderr.isTTY ? `${START_OF_LINE}${line}` : `${line.trimStart()}\n`);
  }
}
