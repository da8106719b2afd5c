import { expect, test } from 'vitest';
import { isLoopback } from '#seekwell/config/loopback';

test.each(['127.0.0.1', '127.1.2.3', '::1', '0:0:0:0:0:0:0:1', 'localhost', 'LOCALHOST'])(
  '%s is reached from this machine only',
  (host) => {
    expect(isLoopback(host)).toBe(true);
  },
);

test.each(['0.0.0.0', '::', '192.168.1.5', '10.0.0.1', 'fe80::1%eth0', 'example.org', 'localhost.example.org', '128.0.0.1'])(
  '%s is reached by others',
  (host) => {
    expect(isLoopback(host)).toBe(false);
  },
);
