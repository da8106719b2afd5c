import { readdirSync, readFileSync } from 'node:fs';

// What the kernel tells about a process and its children, from /proc.

/** Of a clock that Linux promises to user space to be this one. */
const TICKS_A_SECOND = 100;

/** CPU seconds that a process, its threads and its children have used. @param {number} pid */
export function cpuSeconds(pid) {
  let ticks = 0;
  for (const member of family(pid)) ticks += Number(member.fields[11]) + Number(member.fields[12]);
  return ticks / TICKS_A_SECOND;
}

/** CPU seconds that children of this process have used that have ended. */
export function cpuSecondsOfEnded() {
  const [{ fields } = { fields: [] }] = statOf('self');
  return (Number(fields[13]) + Number(fields[14])) / TICKS_A_SECOND;
}

/** Resident memory of a process and its children, in bytes. @param {number} pid */
export function residentBytes(pid) {
  let bytes = 0;
  for (const member of family(pid)) {
    const status = readFileSync(`/proc/${member.pid}/status`, 'utf8');
    bytes += Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
  }
  return bytes;
}

/** @param {number} pid */
function family(pid) {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap(statOf);
  const wanted = new Set([pid]);
  // Children are started after their parents, but numbers may wrap around: look until nobody new is found.
  for (let size = 0; size < wanted.size; ) {
    size = wanted.size;
    for (const { pid, parent } of all) if (wanted.has(parent)) wanted.add(pid);
  }
  return all.filter((member) => wanted.has(member.pid));
}

/** The fields of /proc/PID/stat after the name, from the state on. @param {string} pid */
function statOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return [{ pid: Number(pid), parent: Number(fields[1]), fields }];
  } catch {
    // It ended meanwhile.
    return [];
  }
}
