/** One Server-Sent Event. */
export interface SseEvent {
  readonly type: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came
  readonly data: any;
}

/** Reads Server-Sent Events from a connection. */
export class EventReader {
  readonly headers: Headers;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  readonly #waiting: SseEvent[] = [];
  /** Everything that came. */
  text = '';
  #rest = '';

  private constructor(headers: Headers, reader: ReadableStreamDefaultReader<Uint8Array>) {
    this.headers = headers;
    this.#reader = reader;
  }

  /** Opens a connection, and waits until the events are followed. */
  static async open(url: string, init: RequestInit = {}): Promise<EventReader> {
    const response = await fetch(url, init);
    if (response.body === null) throw new Error('no body');
    const events = new EventReader(response.headers, response.body.getReader());
    await events.until((event) => event.type === 'stats');
    return events;
  }

  /** The next event; null at the end of the connection. */
  async next(): Promise<SseEvent | null> {
    for (;;) {
      const event = this.#waiting.shift();
      if (event !== undefined) return event;
      const { done, value } = await this.#reader.read();
      if (done) return null;
      this.#take(this.#decoder.decode(value, { stream: true }));
    }
  }

  /** The next event for which `fits` holds; those before it are passed over. */
  async until(fits: (event: SseEvent) => boolean): Promise<SseEvent> {
    for (;;) {
      const event = await this.next();
      if (event === null) throw new Error('the events ended');
      if (fits(event)) return event;
    }
  }

  close(): Promise<void> {
    return this.#reader.cancel();
  }

  #take(text: string): void {
    this.text += text;
    const blocks = (this.#rest + text).split('\n\n');
    this.#rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const type = /^event: (.+)$/m.exec(block)?.[1];
      const data = /^data: (.+)$/m.exec(block)?.[1];
      if (type !== undefined && data !== undefined) this.#waiting.push({ type, data: JSON.parse(data) });
    }
  }
}
