import type { Dispatcher } from 'undici';
import { describe, expect, it, vi } from 'vitest';
import type { OriginBody } from '#seekwell/origin/origin-client';
import { UndiciOriginClient } from '#seekwell/origin/undici-origin-client';
import { ManualClock } from '../support/manual-clock.ts';
import { macrotask } from './bare-origin.ts';
import { RecordingSink, readAll } from './recording-sink.ts';

// Dispatchers do not all heed the first pause: undici's way through a plain HTTP proxy and its MockAgent hand over at once what they have.

interface Controller {
  abort: ReturnType<typeof vi.fn>;
  pause: ReturnType<typeof vi.fn>;
  resume: ReturnType<typeof vi.fn>;
}

type Events = (handler: Dispatcher.DispatchHandler, controller: Dispatcher.DispatchController) => void;

/** A body whose dispatcher tells `events` before anybody can start it. */
async function bodyAfter(length: number, events: Events): Promise<{ body: OriginBody; controller: Controller; clock: ManualClock }> {
  const clock = new ManualClock();
  const controller = { abort: vi.fn(), pause: vi.fn(), resume: vi.fn() };
  const given = controller as unknown as Dispatcher.DispatchController;
  const dispatcher = {
    dispatch: (_options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler) => {
      handler.onRequestStart?.(given, {});
      handler.onResponseStart?.(given, 200, { 'content-length': String(length) });
      events(handler, given);
      return true;
    },
  };
  const client = new UndiciOriginClient({ clock, dispatcher });
  const answer = await client.open({ location: { url: 'http://example.com/', headers: {} }, range: null, expected: null });
  if (answer.kind !== 'bytes') throw new Error(`it was ${answer.kind}`);
  return { body: answer.body, controller, clock };
}

describe('a body that came before its start', () => {
  it('is there when it is started', async () => {
    const { body, clock } = await bodyAfter(6, (handler, controller) => {
      handler.onResponseData?.(controller, Buffer.from('123'));
      handler.onResponseData?.(controller, Buffer.from('456'));
      handler.onResponseEnd?.(controller, {});
    });
    expect(await readAll(body)).toEqual({ content: Buffer.from('123456'), error: null });
    expect(clock.timers).toBe(0);
  });

  it('and fell short says so', async () => {
    const { body } = await bodyAfter(6, (handler, controller) => {
      handler.onResponseData?.(controller, Buffer.from('123'));
      handler.onResponseEnd?.(controller, {});
    });
    const { content, error } = await readAll(body);
    expect(content.toString()).toBe('123');
    expect(error).toMatchObject({ code: 'ORIGIN_UNREACHABLE', message: 'the connection broke off: 3 of 6 bytes came from example.com' });
  });

  it('and broke off says so', async () => {
    const { body, controller } = await bodyAfter(6, (handler, given) => {
      handler.onResponseData?.(given, Buffer.from('123'));
      handler.onResponseError?.(given, Object.assign(new Error('gone'), { code: 'ECONNRESET' }));
      handler.onResponseError?.(given, Object.assign(new Error('again'), { code: 'ENOTFOUND' }));
    });
    const { content, error } = await readAll(body);
    expect(content.toString()).toBe('123');
    expect(error?.message).toContain('(ECONNRESET)');
    expect(controller.resume).not.toHaveBeenCalled();
  });

  it('waits for a sink that pauses, and does not set the connection going meanwhile', async () => {
    const { body, controller } = await bodyAfter(9, (handler, given) => {
      for (const part of ['123', '456']) handler.onResponseData?.(given, Buffer.from(part));
    });
    const sink = new RecordingSink();
    sink.onData = () => body.pause();
    body.start(sink);
    await macrotask();
    expect(sink.content.toString()).toBe('123');
    expect(controller.resume).not.toHaveBeenCalled();
    body.resume();
    await macrotask();
    expect(sink.content.toString()).toBe('123456');
    expect(controller.resume).not.toHaveBeenCalled();
    body.resume();
    await macrotask();
    expect(controller.resume).toHaveBeenCalledOnce();
  });

  it('can be given up', async () => {
    const { body, controller, clock } = await bodyAfter(6, (handler, given) => handler.onResponseData?.(given, Buffer.from('123')));
    body.abort();
    expect(controller.abort).toHaveBeenCalledOnce();
    expect(clock.timers).toBe(0);
  });
});
