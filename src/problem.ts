import { asSeekwellError } from './errors.ts';

/** An error as HTTP shows it: `application/problem+json` (RFC 9457). Holds no secret and no stack. */
export interface Problem {
  readonly type: 'about:blank';
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** Stable: see the table in errors.ts. */
  readonly code: string;
  readonly hint: string;
}

export const PROBLEM_TYPE = 'application/problem+json';

/** `error` as a problem. What is not one of ours shows no more than that something went wrong. */
export function problemOf(error: unknown): Problem {
  const { code, message, hint, kind } = asSeekwellError(error);
  const detail = code === 'INTERNAL' ? 'an unexpected error; the log says more' : message;
  return { type: 'about:blank', title: kind.title, status: kind.status, detail, code, hint };
}

/** Headers that go with the problem of `error`. */
export function problemHeaders(error: unknown): Record<string, string> {
  const { retryAfter, kind } = asSeekwellError(error);
  const seconds = retryAfter ?? (kind.status === 503 ? 1 : undefined);
  return { 'content-type': PROBLEM_TYPE, ...(seconds === undefined ? {} : { 'retry-after': String(Math.max(1, Math.ceil(seconds))) }) };
}
