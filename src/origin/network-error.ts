import { errors } from 'undici';
import { SeekwellError } from '../errors.ts';

const REASONS: Readonly<Record<string, string>> = {
  EAI_AGAIN: 'its name cannot be looked up at the moment',
  ECONNREFUSED: 'it refuses the connection',
  ECONNABORTED: 'the connection broke off',
  ECONNRESET: 'the connection broke off',
  EHOSTUNREACH: 'there is no way to it',
  ENETUNREACH: 'there is no way to it',
  ENOTFOUND: 'its name is not known',
  EPIPE: 'the connection broke off',
  ETIMEDOUT: 'it does not answer',
  HPE_INVALID_EOF_STATE: 'the connection broke off',
  UND_ERR_ABORTED: 'the proxy does not let the connection through',
  UND_ERR_CONNECT_TIMEOUT: 'it does not answer',
  UND_ERR_INVALID_ARG: 'the proxy asks for credentials, or the request cannot be sent',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'the connection broke off',
  UND_ERR_SOCKET: 'the connection broke off',
};

/** Codes of Node and OpenSSL for certificates and handshakes. */
const TLS_CODE = /^(?:ERR_SSL_|ERR_TLS_|CERT_|CRL_|EPROTO$|UND_ERR_PRX_TLS$)|CERT|ISSUER|SIGNATURE/;

/** A system's or undici's error code. Several addresses of one host fail together: the first failure stands for all. */
function networkCodeOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  // undici 7.30 leaves the parser's code undefined; the words are llhttp's.
  if (error instanceof errors.HTTPParserError)
    return /invalid eof/i.test(error.message) ? 'HPE_INVALID_EOF_STATE' : (error.code ?? 'HPE_INVALID');
  if ('code' in error && typeof error.code === 'string') return error.code;
  return error instanceof AggregateError ? networkCodeOf(error.errors[0]) : null;
}

/** Whether the connection went away, as one does that the server closed while it lay idle. */
export function isLostConnection(error: unknown): boolean {
  const code = networkCodeOf(error);
  return code === 'ECONNRESET' || code === 'EPIPE' || code === 'UND_ERR_SOCKET';
}

/** Whether the connection that went away had brought nothing yet: undici tells how much its socket had read. */
export function wasFresh(error: unknown): boolean {
  const socket = error instanceof Error && 'socket' in error ? (error.socket as { bytesRead?: number } | null) : null;
  return socket?.bytesRead === 0;
}

/**
 * What a failure below HTTP means, for people: host, reason and code, never a path, a query or a header. The original is not kept as the
 * cause: a parser's error holds raw bytes of the answer.
 * @param host name and port, without user and password
 */
export function networkError(error: unknown, host: string): SeekwellError {
  if (error instanceof SeekwellError) return error;
  const code = networkCodeOf(error);
  if (code === null) return new SeekwellError('INTERNAL', `asking ${host} failed unexpectedly`, { cause: error });
  if (code === 'UND_ERR_CLOSED' || code === 'UND_ERR_DESTROYED') return new SeekwellError('CLOSED', 'the request was given up');
  const reason = REASONS[code];
  if (reason !== undefined) return new SeekwellError('ORIGIN_UNREACHABLE', `${host} cannot be reached: ${reason} (${code})`);
  if (TLS_CODE.test(code)) {
    const hint = 'Check the certificate of the origin.';
    return new SeekwellError('ORIGIN_UNREACHABLE', `${host} cannot be reached: TLS failed (${code})`, { hint });
  }
  if (code.startsWith('HPE_')) return new SeekwellError('ORIGIN_WRONG', `${host} does not speak HTTP/1.1 properly (${code})`);
  if (code === 'UND_ERR_HEADERS_OVERFLOW') return new SeekwellError('ORIGIN_WRONG', `${host} sends too many headers (${code})`);
  return new SeekwellError('ORIGIN_UNREACHABLE', `${host} cannot be reached (${code})`);
}
