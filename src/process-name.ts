import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Randomness } from './randomness.ts';

/** Names the boot of this machine, so that a process id of before a restart is not taken for one of now. Empty where the system does not tell. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim().slice(0, 8);
  } catch {
    return '';
  }
}

/** Names one opening of the cache by one process: host, boot, pid, start (UTC milliseconds), random. */
export function processName(randomness: Randomness): string {
  const start = Math.round(performance.timeOrigin);
  return [hostname(), bootId(), process.pid, start, randomness.hex(4)].join(':');
}

/** Whether the process that `name` names may still run: false only where it surely does not. */
export function mayRun(name: string): boolean {
  const [host, boot, pid] = name.split(':');
  if (host !== hostname()) return true;
  if (boot !== bootId()) return false;
  try {
    process.kill(Number(pid), 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
