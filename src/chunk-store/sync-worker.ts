import { closeSync, fdatasyncSync, fsyncSync, openSync } from 'node:fs';
import { type MessagePort, parentPort, receiveMessageOnPort } from 'node:worker_threads';
import type { SyncCall, SyncReply } from './sync-thread.ts';

const port = parentPort as MessagePort;

/** Makes the names in `folder` durable. Windows has no such call, and does it by itself. */
function syncFolder(folder: string): void {
  if (process.platform === 'win32') return;
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function sync(call: SyncCall): string | null {
  try {
    fdatasyncSync(call.fd);
    for (const folder of call.folders) syncFolder(folder);
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

port.on('message', (first: SyncCall) => {
  const calls: SyncCall[] = [];
  for (
    let message: SyncCall | undefined = first;
    message !== undefined;
    message = receiveMessageOnPort(port)?.message as SyncCall | undefined
  ) {
    calls.push(message);
  }
  // Several commits of one file that wait together need one sync.
  const failures = new Map<number, string | null>();
  const replies: SyncReply[] = [];
  for (const call of calls) {
    if (!failures.has(call.fd) || call.folders.length > 0) failures.set(call.fd, sync(call));
    replies.push({ id: call.id, failure: failures.get(call.fd) ?? null });
  }
  port.postMessage(replies);
});
