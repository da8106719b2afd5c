import { expect, test } from 'vitest';
import { conditionalStatus } from '#seekwell/proxy/conditions';

const MODIFIED = 'Wed, 21 Oct 2015 09:28:00 GMT';

test.each([
  ['if-modified-since', 'Wed, 21 Oct 2015 09:28:00 GMT', 304],
  ['if-modified-since', 'Wed, 21 Oct 2015 09:27:59 GMT', null],
  // asctime means UTC, wherever this runs (RFC 9110, section 5.6.7).
  ['if-modified-since', 'Wed Oct 21 09:28:00 2015', 304],
  ['if-modified-since', 'Wed Oct 21 09:27:59 2015', null],
  ['if-modified-since', '2030-01-01', null],
  ['if-unmodified-since', 'Wed, 21 Oct 2015 09:28:00 GMT', null],
  ['if-unmodified-since', 'Wed, 21 Oct 2015 09:27:59 GMT', 412],
  ['if-unmodified-since', 'Wed Oct 21 09:27:59 2015', 412],
  ['if-unmodified-since', '1', null],
])('%s: %s makes %s of a resource modified then', (name, value, status) => {
  const header = (asked: string) => (asked === name ? value : undefined);
  expect(conditionalStatus(header, { etag: '"a"', lastModified: MODIFIED })).toBe(status);
});
