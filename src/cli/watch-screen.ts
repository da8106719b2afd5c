import { setTimeout as delay } from 'node:timers/promises';

/** How often the screen is drawn anew, in milliseconds. */
const REDRAW_MS = 500;

const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_REST_OF_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';

/** The lines that fit on the screen, the last one telling how many do not. */
function fitting(lines: readonly string[], rows: number): readonly string[] {
  if (lines.length <= rows) return lines;
  const hidden = lines.length - rows + 1;
  return [...lines.slice(0, rows - 1), `… ${hidden} more`];
}

/**
 * Draws what `draw` returns again and again, until the user interrupts. On a terminal over itself, leaving the last picture behind; elsewhere each
 * time that it is another.
 */
export async function watchScreen(draw: () => Promise<readonly string[]>): Promise<void> {
  const out = process.stdout;
  const stop = new AbortController();
  const end = (): void => stop.abort();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end);
  out.once('error', end);
  let lines: readonly string[] = [];
  if (out.isTTY) out.write(ENTER);
  try {
    while (!stop.signal.aborted) {
      const before = lines.join('\n');
      lines = await draw();
      if (out.isTTY) {
        const picture = fitting(lines, (out.rows ?? 24) - 1).map((line) => `${line}${CLEAR_REST_OF_LINE}\n`);
        out.write(`${HOME}${picture.join('')}${CLEAR_BELOW}`);
      } else if (lines.join('\n') !== before) {
        out.write(`${lines.join('\n')}\n`);
      }
      await delay(REDRAW_MS, undefined, { signal: stop.signal }).catch(() => {});
    }
  } finally {
    if (out.isTTY) out.write(`${LEAVE}${lines.map((line) => `${line}\n`).join('')}`);
  }
}
