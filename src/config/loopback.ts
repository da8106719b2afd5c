import { isIPv4, isIPv6 } from 'node:net';

/** Whether only programs on this machine reach what listens on `host`. */
export function isLoopback(host: string): boolean {
  if (isIPv4(host)) return host.startsWith('127.');
  if (isIPv6(host)) return new URL(`http://[${host.split('%')[0]}]`).hostname === '[::1]';
  return host.toLowerCase() === 'localhost';
}
