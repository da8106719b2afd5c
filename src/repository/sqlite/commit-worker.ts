import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { type CommitWorkerData, END } from './commit-thread.ts';
import { DiskReserve } from './disk-reserve.ts';
import { loadDriver } from './load-driver.ts';
import { SqliteWriter, type WriteCall } from './sqlite-writer.ts';

const { path, owner, driver, identity } = workerData as CommitWorkerData;
const port = parentPort as MessagePort;
const writer = new SqliteWriter(await loadDriver(driver), path, owner, identity, new DiskReserve(path));

/** Takes all that is queued, so that it shares one transaction. */
function queued(first: WriteCall | typeof END): { calls: WriteCall[]; end: boolean } {
  const calls: WriteCall[] = [];
  let message: WriteCall | typeof END | undefined = first;
  while (message !== undefined && message !== END) {
    calls.push(message);
    message = receiveMessageOnPort(port)?.message as WriteCall | typeof END | undefined;
  }
  return { calls, end: message === END };
}

port.on('message', (first: WriteCall | typeof END) => {
  const { calls, end } = queued(first);
  if (calls.length > 0) port.postMessage(writer.run(calls));
  if (!end) return;
  writer.close();
  port.close();
});
