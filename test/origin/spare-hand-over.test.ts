import { Socket } from 'node:net';
import type { buildConnector } from 'undici';
import { afterEach, expect, test } from 'vitest';
import { SpareConnections } from '#seekwell/origin/spare-connections';
import { ManualClock } from '../support/manual-clock.ts';

const ORIGIN = 'https://films.test';
const OPTIONS = { hostname: 'films.test', host: 'films.test', protocol: 'https:', port: '443', servername: 'films.test' };

interface Opened {
  readonly socket: Socket;
  readonly callback: buildConnector.Callback;
}

const sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

/** Connections that come about when the test says so. */
function stage() {
  const clock = new ManualClock();
  const opened: Opened[] = [];
  const connect = (_: buildConnector.Options, callback: buildConnector.Callback): Socket => {
    const socket = new Socket();
    sockets.push(socket);
    opened.push({ socket, callback });
    return socket;
  };
  const spares = new SpareConnections(clock, connect);
  // How the origin is connected to is learnt from the first connection.
  expect(spares.take(ORIGIN, OPTIONS, () => {})).toBe(false);
  const prepare = (): Opened => {
    spares.prepare(ORIGIN, () => true);
    clock.advance(5);
    return opened.at(-1) as Opened;
  };
  return { clock, spares, opened, prepare };
}

test('one that fails after it was taken is replaced: its failure is none of the request', () => {
  const { spares, opened, prepare } = stage();
  const spare = prepare();
  const outcomes: unknown[] = [];
  expect(spares.take(ORIGIN, OPTIONS, (...outcome) => outcomes.push(outcome))).toBe(true);
  spare.callback(new Error('reset'), null);
  expect(opened).toHaveLength(2);
  expect(outcomes).toEqual([]);
  const { socket } = opened[1] as Opened;
  opened[1]?.callback(null, socket);
  expect(outcomes).toEqual([[null, socket]]);
});

test('one that has not come about within a second is given up, and the origin is offered none for five minutes', () => {
  const { clock, spares, opened, prepare } = stage();
  const spare = prepare();
  clock.advance(1_000);
  expect(spares.take(ORIGIN, OPTIONS, () => {})).toBe(false);
  expect(spare.socket.destroyed).toBe(true);
  prepare();
  clock.advance(299_980);
  prepare();
  expect(opened).toHaveLength(1);
  clock.advance(20);
  prepare();
  expect(opened).toHaveLength(2);
});

test('the next one is not begun before the one that was taken has come about', () => {
  const { clock, spares, opened, prepare } = stage();
  const spare = prepare();
  spares.take(ORIGIN, OPTIONS, () => {});
  clock.advance(100);
  expect(opened).toHaveLength(1);
  spare.callback(null, spare.socket as never);
  clock.advance(5);
  expect(opened).toHaveLength(2);
});

test('destroyed, nothing of one that is being opened stays', () => {
  const { spares, prepare } = stage();
  const { socket } = prepare();
  spares.destroy();
  expect(socket.destroyed).toBe(true);
});

test('one whose server was verified under another name is not handed over', async () => {
  const { spares, prepare } = stage();
  const { socket, callback } = prepare();
  callback(null, socket as never);
  expect(spares.take(ORIGIN, { ...OPTIONS, servername: 'other.test' }, () => {})).toBe(false);
});
