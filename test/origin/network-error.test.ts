import { errors } from 'undici';
import { describe, expect, it } from 'vitest';
import { isLostConnection, networkError, wasFresh } from '#seekwell/origin/network-error';

function coded(code: string, more: object = {}): Error {
  return Object.assign(new Error(`${code} /film?sig=s3cret`), { code }, more);
}

describe('networkError', () => {
  it.each([
    ['ECONNREFUSED', 'ORIGIN_UNREACHABLE', 'refuses the connection'],
    ['ENOTFOUND', 'ORIGIN_UNREACHABLE', 'name is not known'],
    ['EAI_AGAIN', 'ORIGIN_UNREACHABLE', 'looked up'],
    ['ECONNRESET', 'ORIGIN_UNREACHABLE', 'broke off'],
    ['UND_ERR_SOCKET', 'ORIGIN_UNREACHABLE', 'broke off'],
    ['UND_ERR_CONNECT_TIMEOUT', 'ORIGIN_UNREACHABLE', 'does not answer'],
    ['HPE_INVALID_EOF_STATE', 'ORIGIN_UNREACHABLE', 'broke off'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'ORIGIN_UNREACHABLE', 'TLS failed'],
    ['CERT_HAS_EXPIRED', 'ORIGIN_UNREACHABLE', 'TLS failed'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'ORIGIN_UNREACHABLE', 'TLS failed'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'ORIGIN_UNREACHABLE', 'TLS failed'],
    ['EPROTO', 'ORIGIN_UNREACHABLE', 'TLS failed'],
    ['HPE_INVALID_CONSTANT', 'ORIGIN_WRONG', 'HTTP/1.1'],
    ['UND_ERR_HEADERS_OVERFLOW', 'ORIGIN_WRONG', 'too many headers'],
    ['UND_ERR_DESTROYED', 'CLOSED', 'given up'],
    ['UND_ERR_CLOSED', 'CLOSED', 'given up'],
    ['EWHATEVER', 'ORIGIN_UNREACHABLE', 'EWHATEVER'],
  ])('makes %s a %s', (code, expected, words) => {
    const error = networkError(coded(code), 'example.com:81');
    expect(error.code).toBe(expected);
    expect(error.message).toContain(words);
    if (expected !== 'CLOSED') expect(error.message).toContain('example.com:81');
    expect(error.message).not.toContain('s3cret');
    expect(error.cause).toBeUndefined();
  });

  it('names the first failure of several addresses', () => {
    const error = networkError(new AggregateError([coded('ECONNREFUSED'), coded('ENETUNREACH')]), 'example.com');
    expect(error.message).toContain('(ECONNREFUSED)');
  });

  it('keeps no bytes of the answer that a parser stumbled over', () => {
    const parserError = Object.assign(new errors.HTTPParserError('bad'), { data: 'set-cookie: s3cret' });
    const error = networkError(parserError, 'example.com');
    expect(error.code).toBe('ORIGIN_WRONG');
    expect(JSON.stringify([error.message, error.cause ?? null])).not.toContain('s3cret');
  });

  it('takes an error without a code for a fault of its own', () => {
    expect(networkError(new TypeError('x is not a function'), 'example.com').code).toBe('INTERNAL');
  });
});

describe('isLostConnection', () => {
  it.each([
    [coded('ECONNRESET'), true],
    [coded('EPIPE'), true],
    [coded('UND_ERR_SOCKET', { socket: { bytesRead: 100 } }), true],
    [coded('ECONNREFUSED'), false],
    [coded('HPE_INVALID_CONSTANT'), false],
    [new Error('no code'), false],
  ])('case %#', (error, lost) => {
    expect(isLostConnection(error)).toBe(lost);
  });
});

describe('wasFresh', () => {
  it.each([
    [coded('UND_ERR_SOCKET', { socket: { bytesRead: 0 } }), true],
    [coded('UND_ERR_SOCKET', { socket: { bytesRead: 100 } }), false],
    [coded('ECONNRESET'), false],
  ])('case %#', (error, fresh) => {
    expect(wasFresh(error)).toBe(fresh);
  });
});
