import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readPlainRequest } from '#seekwell/proxy/plain-request';

const LINE = 'GET /stream/url/m/original HTTP/1.1';

/** A head of a plain request with `lines` beside Host. */
function head(...lines: string[]): Buffer {
  return Buffer.from([LINE, 'Host: localhost', ...lines, '', ''].join('\r\n'), 'latin1');
}

function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

interface Read {
  readonly method: string | undefined;
  readonly url: string | undefined;
  /** By lower-case name, sorted. */
  readonly fields: readonly (readonly [name: string, value: string])[];
}

const server = createServer();

/** What node:http reads from a connection on which `bytes` come; null where it refuses them, or waits for more. */
async function readByNode(bytes: Buffer): Promise<Read | null> {
  const socket = new Duplex({ read: () => undefined, write: (_bytes, _encoding, done) => done() });
  const read = new Promise<IncomingMessage | null>((resolve) => {
    const requested = (request: IncomingMessage): void => {
      if (request.socket === (socket as unknown)) resolve(request);
    };
    server.on('request', requested);
    socket.once('close', () => {
      server.removeListener('request', requested);
      resolve(null);
    });
  });
  server.emit('connection', socket);
  socket.push(bytes);
  socket.push(null);
  const request = await read;
  socket.destroy();
  if (!socket.closed) await once(socket, 'close');
  if (request === null) return null;
  const { rawHeaders: raw } = request;
  const fields = raw.flatMap((name, i) => (i % 2 === 0 ? [[name.toLowerCase(), raw[i + 1] ?? ''] as const] : []));
  return { method: request.method, url: request.url, fields: fields.sort() };
}

describe('a GET of a stream is read', () => {
  test('with its fields by lower-case name and the spaces around values taken off', () => {
    const request = readPlainRequest(head('Range: \t bytes=0-1 \t', 'X-Empty:', 'If-None-Match:"a"', 'CONNECTION: Keep-Alive'));
    expect(request).toMatchObject({ method: 'GET', url: '/stream/url/m/original', path: '/stream/url/m/original' });
    expect({ ...request?.headers }).toEqual({
      host: 'localhost',
      range: 'bytes=0-1',
      'x-empty': '',
      'if-none-match': '"a"',
      connection: 'Keep-Alive',
    });
  });

  test('with the query apart from the path', () => {
    const request = readPlainRequest(latin1('GET /stream/a/b/c?sig=1?2 HTTP/1.1\r\nHost: h\r\n\r\n'));
    expect([request?.url, request?.path]).toEqual(['/stream/a/b/c?sig=1?2', '/stream/a/b/c']);
  });

  test('whose connection is kept, or ends with the answer', () => {
    const closes = [head(), head('Connection: Keep-Alive'), head('Connection: Close')].map((bytes) => readPlainRequest(bytes)?.closes);
    expect(closes).toEqual([false, false, true]);
  });

  test('up to 8 KiB', () => {
    const rest = 8 * 1024 - head('X: ').length;
    expect(readPlainRequest(head(`X: ${'a'.repeat(rest)}`))).not.toBeNull();
    expect(readPlainRequest(head(`X: ${'a'.repeat(rest + 1)}`))).toBeNull();
  });

  test('with field names that objects have of themselves', () => {
    const headers = readPlainRequest(head('__proto__: a', 'constructor: b'))?.headers;
    expect(Object.entries(headers ?? {})).toContainEqual(['__proto__', 'a']);
    expect(headers?.constructor).toBe('b');
    expect(headers?.toString).toBeUndefined();
  });

  test('a no-break space at the end of a value is part of it', async () => {
    const bytes = head('X: a\xa0 ');
    expect(readPlainRequest(bytes)?.headers.x).toBe('a\xa0');
    expect((await readByNode(bytes))?.fields).toContainEqual(['x', 'a\xa0']);
  });
});

describe('what is left to node:http', () => {
  const refused: [what: string, bytes: Buffer][] = [
    ['nothing', Buffer.alloc(0)],
    ['a part of a head', head().subarray(0, -1)],
    ['a head and more', Buffer.concat([head(), latin1('x')])],
    ['two heads', Buffer.concat([head(), head()])],
    ['an empty line before', Buffer.concat([latin1('\r\n'), head()])],
    ['HEAD', latin1('HEAD /stream/a/b/c HTTP/1.1\r\nHost: h\r\n\r\n')],
    ['POST', latin1('POST /stream/a/b/c HTTP/1.1\r\nHost: h\r\n\r\n')],
    ['another path', latin1('GET /api/v1/stats HTTP/1.1\r\nHost: h\r\n\r\n')],
    ['an absolute form', latin1('GET http://h/stream/a/b/c HTTP/1.1\r\nHost: h\r\n\r\n')],
    ['a fragment', latin1('GET /stream/a/b/c#x HTTP/1.1\r\nHost: h\r\n\r\n')],
    ['a space in the target', latin1('GET /stream/a b/c HTTP/1.1\r\nHost: h\r\n\r\n')],
    ['a byte beyond ASCII in the target', latin1('GET /stream/\xe4/b/c HTTP/1.1\r\nHost: h\r\n\r\n')],
    ['HTTP/1.0', latin1('GET /stream/a/b/c HTTP/1.0\r\nHost: h\r\n\r\n')],
    ['HTTP/2.0', latin1('GET /stream/a/b/c HTTP/2.0\r\nHost: h\r\n\r\n')],
    ['two spaces in the request line', latin1('GET  /stream/a/b/c HTTP/1.1\r\nHost: h\r\n\r\n')],
    ['no Host', latin1(`${LINE}\r\n\r\n`)],
    ['two Hosts', head('Host: other')],
    ['a field twice', head('Range: bytes=0-1', 'range: bytes=2-3')],
    ['a bare LF between fields', head('A: b\nC: d')],
    ['a bare LF at the end', latin1(`${LINE}\r\nHost: h\n\n`)],
    ['a bare CR', head('A: b\rC: d')],
    ['a folded line', head('A: b', ' c')],
    ['a line folded with a tab', head('A: b', '\tc')],
    ['a space before the colon', head('A : b')],
    ['a value of blanks', head('A: \t ')],
    ['no name', head(': b')],
    ['no colon', head('A')],
    ['NUL in a value', head('A: b\0c')],
    ['DEL in a value', head('A: b\x7fc')],
    ['a byte beyond ASCII in a name', head('\xc4: b')],
    ['Content-Length', head('Content-Length: 0')],
    ['Transfer-Encoding', head('transfer-encoding: chunked')],
    ['Expect', head('Expect: 100-continue')],
    ['Upgrade', head('Upgrade: websocket')],
    ['Trailer', head('Trailer: x')],
    ['TE', head('TE: trailers')],
    ['HTTP2-Settings', head('HTTP2-Settings: x')],
    ['a list in Connection', head('Connection: keep-alive, upgrade')],
    ['Proxy-Connection', head('Proxy-Connection: close')],
  ];
  test.each(refused)('%s', (_what, bytes) => {
    expect(readPlainRequest(bytes)).toBeNull();
  });
});

/** Mostly what may stand there, and now and then anything. */
function often<T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ weight: 12, arbitrary: usual }, { weight: 1, arbitrary: odd });
}

const anyByte = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code));
const anyText = fc.string({ unit: anyByte, maxLength: 8 });
const names = often(
  fc.oneof(
    fc.constantFrom('Range', 'range', 'If-Range', 'Accept', 'Connection', 'Keep-Alive', 'Cookie', '__proto__', 'X'),
    fc.string({ unit: fc.constantFrom(..."aZ09!#$%&'*+-.^_`|~"), minLength: 1, maxLength: 6 }),
  ),
  fc.oneof(fc.constantFrom('', 'Host', 'Content-Length', 'Transfer-Encoding', 'Upgrade', 'Expect', 'Proxy-Connection', 'TE'), anyText),
);
const values = often(
  fc.oneof(
    fc.constantFrom('bytes=0-1', 'keep-alive', '', 'a b\tc', '\xa0', '"\xe4"', 'a: b'),
    fc.string({ unit: fc.constantFrom(...'aZ0 \t",;=\x80\x85\xa0\xff'), maxLength: 12 }),
  ),
  fc.oneof(fc.constantFrom('close', 'chunked', '0', '5', 'upgrade', 'Keep-Alive, x', 'b\r\n c', 'b\n'), anyText),
);
const field = fc
  .tuple(
    names,
    often(fc.constantFrom(':', ': ', ':\t', ':  '), fc.constantFrom(' :', '', ' ', '::')),
    values,
    often(fc.constant('\r\n'), fc.constantFrom('\n', '\r', '\r\n ', '')),
  )
  .map((parts) => parts.join(''));
const target = often(
  fc.string({ unit: fc.constantFrom(...'ab/%2F?&=.;~"<>[]{}|\\^`'), maxLength: 12 }).map((rest) => `/stream/${rest}`),
  fc.oneof(
    fc.constantFrom('/', '*', 'http://h/stream/a', '//stream/a', '/stream/a#b', '/stream/a b'),
    anyText.map((text) => `/stream/${text}`),
  ),
);
const heads = fc
  .record({
    method: often(fc.constant('GET '), fc.constantFrom('get ', 'GET\t', 'HEAD ', 'GETS ', ' GET ', 'G', '')),
    target,
    version: often(
      fc.constant(' HTTP/1.1\r\n'),
      fc.constantFrom(' HTTP/1.0\r\n', ' HTTP/1.1\n', ' http/1.1\r\n', '\r\n', '  HTTP/1.1\r\n', ' HTTP/1.1 \r\n'),
    ),
    host: often(fc.constant('Host: h\r\n'), fc.constantFrom('', 'Host:\r\n', 'Host : h\r\n', 'Host: h\n')),
    fields: fc.array(field, { maxLength: 5 }),
    end: often(fc.constant('\r\n'), fc.constantFrom('\n', '', '\r', '\r\n\r\n', '\r\nx')),
  })
  .map((parts) => parts.method + parts.target + parts.version + parts.host + parts.fields.join('') + parts.end);
/** A head with one byte put in, exchanged or left out. */
const damaged = fc.tuple(heads, fc.nat(), fc.option(anyByte, { nil: '' }), fc.nat({ max: 1 })).map(([text, at, byte, taken]) => {
  const position = at % (text.length + 1);
  return text.slice(0, position) + byte + text.slice(position + taken);
});

test('whatever is read here, node:http reads alike', async () => {
  let read = 0;
  await fc.assert(
    fc.asyncProperty(fc.oneof(heads, damaged), async (text) => {
      const bytes = latin1(text);
      const plain = readPlainRequest(bytes);
      if (plain === null) return;
      read++;
      const { method, url, headers } = plain;
      expect(await readByNode(bytes)).toEqual({ method, url, fields: Object.entries(headers).sort() });
    }),
    { numRuns: 6_000 },
  );
  // Else the property would say nothing.
  expect(read).toBeGreaterThan(500);
});
