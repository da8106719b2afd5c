import type { SeekwellError } from '#seekwell/errors';
import type { BodySink, OriginBody } from '#seekwell/origin/origin-client';

/** Keeps what a body hands over, and lets a test wait for it. */
export class RecordingSink implements BodySink {
  readonly chunks: Buffer[] = [];
  /** One element for each call of `end`. */
  readonly ends: (SeekwellError | null)[] = [];
  /** Bytes so far. */
  length = 0;
  onData: (chunk: Buffer) => void = () => {};
  #waiting: { readonly holds: () => boolean; readonly resolve: () => void }[] = [];

  data(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.length += chunk.length;
    this.onData(chunk);
    this.#wake();
  }

  end(error: SeekwellError | null): void {
    this.ends.push(error);
    this.#wake();
  }

  get content(): Buffer {
    return Buffer.concat(this.chunks);
  }

  /** Resolves when `bytes` have come. */
  async received(bytes: number): Promise<void> {
    await this.#until(() => this.length >= bytes);
  }

  /** Resolves with what the body ended with. */
  async ended(): Promise<SeekwellError | null> {
    await this.#until(() => this.ends.length > 0);
    return this.ends[0] ?? null;
  }

  async #until(holds: () => boolean): Promise<void> {
    if (holds()) return;
    await new Promise<void>((resolve) => {
      this.#waiting.push({ holds, resolve });
    });
  }

  #wake(): void {
    for (const waiting of this.#waiting) {
      if (waiting.holds()) waiting.resolve();
    }
    this.#waiting = this.#waiting.filter((waiting) => !waiting.holds());
  }
}

/** Reads `body` to its end. */
export async function readAll(body: OriginBody): Promise<{ content: Buffer; error: SeekwellError | null }> {
  const sink = new RecordingSink();
  body.start(sink);
  const error = await sink.ended();
  return { content: sink.content, error };
}
