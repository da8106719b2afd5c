/** A head longer than this is for node:http to judge, in bytes. */
const MAX_HEAD_BYTES = 8 * 1024;
const REQUEST_LINE = /^GET (\/stream\/[\x21-\x22\x24-\x7e]*) HTTP\/1\.1$/;
/**
 * A field line of RFC 9112, section 5, without what it lets pass for the sake of old software. A value of nothing but blanks is not one: node:http keeps a
 * blank of it.
 */
const FIELD_LINE = /^([\w!#$%&'*+.^`|~-]+):(?:[ \t]*([\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)[ \t]*)?$/;
/** Fields that ask for more than an answer to a GET; node:http takes Proxy-Connection for Connection. */
const MORE: ReadonlySet<string> = new Set([
  'content-length',
  'transfer-encoding',
  'upgrade',
  'expect',
  'trailer',
  'te',
  'http2-settings',
  'proxy-connection',
]);

/** A GET of a stream without anything unusual about it. */
export interface PlainRequest {
  readonly method: 'GET';
  /** As it stands in the request line. */
  readonly url: string;
  /** Without the query. */
  readonly path: string;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** The connection ends with the answer. */
  readonly closes: boolean;
}

/**
 * Reads a request's head that `bytes` are, all of it and nothing more. Null where it is not a whole head, or anything but a GET of a stream over HTTP/1.1
 * on a connection that is kept, or ends with the answer: for node:http, which knows the rest of the protocol. What passes here is read alike there.
 */
export function readPlainRequest(bytes: Buffer): PlainRequest | null {
  if (bytes.length > MAX_HEAD_BYTES || bytes[0] !== 0x47) return null;
  const text = bytes.toString('latin1');
  if (text.indexOf('\r\n\r\n') !== text.length - 4) return null;
  const [requestLine = '', ...lines] = text.slice(0, -4).split('\r\n');
  const url = REQUEST_LINE.exec(requestLine)?.[1];
  if (url === undefined) return null;
  const headers: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const line of lines) {
    const match = FIELD_LINE.exec(line);
    const name = match?.[1]?.toLowerCase();
    if (match === null || name === undefined || MORE.has(name) || headers[name] !== undefined) return null;
    headers[name] = match[2] ?? '';
  }
  const connection = headers.connection?.toLowerCase();
  const closes = connection === 'close';
  if (headers.host === undefined || !(connection === undefined || connection === 'keep-alive' || closes)) return null;
  return { method: 'GET', url, path: url.split('?', 1)[0] ?? url, headers, closes };
}
