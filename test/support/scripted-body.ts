import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { createGzip } from 'node:zlib';
import type { ByteRange } from '#seekwell/core/byte-ranges';
import type { RecordedRequest } from './recorded-request.ts';
import type { Behaviour } from './scripted-resource.ts';
import { bytesOf } from './seeded-bytes.ts';

/** Bytes in one write: large enough to be fast, small enough to stop soon when the client goes. */
const WRITE_BYTES = 128 * 1024;
/** How often a limited answer sends, in milliseconds. */
const TICK_MS = 5;
/** A write that takes longer than this was held up by the client, which must not earn it a burst afterwards. */
const HELD_UP_MS = 250;

/** Keeps an answer at or below its rate from its first byte on. */
class Pacer {
  readonly #bytesPerMs: number;
  #since = performance.now();
  #sent = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerMs = bytesPerSecond / 1000;
  }

  /** How many bytes may be sent now: what a tick or more brought, so that an answer does not keep the event loop busy with a few bytes at a time. */
  async allowance(): Promise<number> {
    for (;;) {
      const due = Math.floor((performance.now() - this.#since) * this.#bytesPerMs) - this.#sent;
      if (due >= Math.max(1, this.#bytesPerMs * TICK_MS)) return due;
      await delay(Math.max(TICK_MS, 1 / this.#bytesPerMs));
    }
  }

  noteSent(bytes: number, tookMs: number): void {
    this.#sent += bytes;
    if (tookMs < HELD_UP_MS) return;
    this.#since = performance.now();
    this.#sent = 0;
  }
}

/** Writes, and says whether the kernel took it: false when the connection was gone. */
function written(response: ServerResponse, bytes: Buffer): Promise<boolean> {
  if (response.destroyed) return Promise.resolve(false);
  return new Promise((resolve) => {
    // A response that loses its socket with bytes in its own buffer never calls back.
    const gone = (): void => resolve(false);
    response.once('close', gone);
    response.write(bytes, (error) => {
      response.off('close', gone);
      resolve(error === null || error === undefined);
    });
  });
}

/** Sends `body` of the version `seed` names, with the script's rate and fault. */
export async function sendBody(
  response: ServerResponse,
  record: RecordedRequest,
  behaviour: Behaviour,
  seed: number,
  body: ByteRange,
): Promise<void> {
  const { fault, gate } = behaviour;
  const pacer = behaviour.rate === null ? null : new Pacer(behaviour.rate);
  // Headers go out with the first bytes otherwise, and a stall at 0 would hold them back, too.
  response.flushHeaders();
  let faultAt = fault === null || fault.kind === 'drop' ? Number.POSITIVE_INFINITY : body.start + fault.after;
  let at = body.start;
  while (at <= body.end) {
    if (at === faultAt) {
      if (fault?.kind !== 'stall') return breakOff(response, record, fault?.kind === 'reset');
      faultAt = Number.POSITIVE_INFINITY;
      await record.hold();
    }
    const open = gate === null ? Number.POSITIVE_INFINITY : await record.passed(gate, at);
    if (open <= at) return;
    const allowed = pacer === null ? WRITE_BYTES : Math.min(await pacer.allowance(), WRITE_BYTES);
    const next = Math.min(at + allowed, body.end + 1, faultAt, open);
    const before = performance.now();
    if (!(await written(response, bytesOf(seed, at, next - 1)))) return;
    record.noteSent(next - at);
    pacer?.noteSent(next - at, performance.now() - before);
    at = next;
  }
  response.end();
}

/** Ends the connection in the middle of an answer. */
export function breakOff(response: ServerResponse, record: RecordedRequest, reset: boolean): void {
  record.noteEnd('broken');
  if (reset) response.socket?.resetAndDestroy();
  else response.socket?.end();
}

/** Sends the whole of `body` encoded. Its bytes are not the resource's, so they are not counted. */
export async function sendGzipped(response: ServerResponse, seed: number, body: ByteRange): Promise<void> {
  const gzip = createGzip({ level: 1 });
  response.once('close', () => gzip.destroy());
  gzip.pipe(response);
  for (let at = body.start; at <= body.end && !gzip.destroyed; at += WRITE_BYTES) {
    const bytes = bytesOf(seed, at, Math.min(at + WRITE_BYTES - 1, body.end));
    await new Promise<void>((resolve) => {
      gzip.once('close', resolve);
      gzip.write(bytes, () => {
        gzip.off('close', resolve);
        resolve();
      });
    });
  }
  gzip.end();
}
