/** What is known of one error code. `status` is the HTTP status it becomes, `exit` the exit code of a command. */
interface ErrorKind {
  readonly status: number;
  readonly exit: 1 | 2;
  readonly title: string;
  readonly hint: string;
}

/**
 * Every error that Seekwell raises on purpose, in one table: HTTP answers, exit codes, the documentation and the hints come
 * from here.
 */
export const ERROR_KINDS = {
  BAD_URL: { status: 400, exit: 2, title: 'The URL cannot be cached', hint: 'Give an absolute http:// or https:// URL.' },
  BAD_REQUEST: { status: 400, exit: 2, title: 'The request is malformed', hint: 'See /api/docs for what this call takes.' },
  BAD_OPTION: { status: 400, exit: 2, title: 'An option has a value that cannot be used', hint: 'See seekwell help.' },
  BAD_CONFIG: {
    status: 500,
    exit: 2,
    title: 'The configuration cannot be used',
    hint: 'Correct the configuration file, or name another with --config.',
  },
  BAD_RANGE: { status: 416, exit: 2, title: 'The range lies outside the resource', hint: 'Ask for bytes that lie within the resource.' },
  CONDITION_FAILED: {
    status: 412,
    exit: 1,
    title: 'A condition of the request does not hold',
    hint: 'Ask again without If-Match and If-Unmodified-Since.',
  },
  ENTRY_NOT_FOUND: {
    status: 404,
    exit: 2,
    title: 'There is no such entry',
    hint: 'List the entries with seekwell ls, or register the URL first.',
  },
  NO_SUCH_PATH: { status: 404, exit: 2, title: 'There is nothing at this path', hint: 'See /api/docs for the paths there are.' },
  METHOD_NOT_ALLOWED: { status: 405, exit: 2, title: 'This method is not allowed here', hint: 'See /api/docs for the methods there are.' },
  UNAUTHORIZED: { status: 401, exit: 2, title: 'A token is needed', hint: "Send the daemon's token as Authorization: Bearer." },
  CROSS_ORIGIN: {
    status: 403,
    exit: 2,
    title: 'The request comes from another site',
    hint: 'Use the page of the daemon itself, or a program that sends no Origin.',
  },
  MISDIRECTED: {
    status: 421,
    exit: 2,
    title: 'This daemon does not answer to that host name',
    hint: 'Allow the name with --allowed-host.',
  },
  CACHE_DIR_UNUSABLE: {
    status: 500,
    exit: 2,
    title: 'The cache folder cannot be used',
    hint: 'Name another folder with --cache-dir, or mend its permissions.',
  },
  DATABASE_UNUSABLE: {
    status: 500,
    exit: 2,
    title: 'The database cannot be used',
    hint: 'Move seekwell.db away to start an empty cache, or restore a backup of it.',
  },
  DATABASE_TOO_NEW: {
    status: 500,
    exit: 2,
    title: 'The database was written by a newer version',
    hint: 'Install that version of Seekwell, or name another folder with --cache-dir.',
  },
  DATABASE_BUSY: {
    status: 503,
    exit: 1,
    title: 'The database stayed locked',
    hint: 'Another program holds a transaction open on seekwell.db: end it, then try again.',
  },
  DATABASE_GONE: {
    status: 503,
    exit: 1,
    title: 'The database was removed or replaced while it was used',
    hint: 'Start Seekwell again: it goes on with the database that is there then, or with an empty cache.',
  },
  ADDRESS_UNUSABLE: { status: 500, exit: 2, title: 'The address cannot be listened on', hint: 'Choose another with --port or --host.' },
  OUTPUT_UNUSABLE: {
    status: 500,
    exit: 2,
    title: 'The output file cannot be written',
    hint: 'Name another file with -o, or mend its permissions.',
  },
  INCOMPLETE: { status: 409, exit: 1, title: 'The entry is not complete', hint: 'Fetch the rest first: seekwell get, or resume.' },
  STORAGE_FAILED: {
    status: 503,
    exit: 1,
    title: 'The cache folder cannot be read or written',
    hint: 'Check that the disk has room and that the cache folder can be written.',
  },
  QUOTA_EXCEEDED: { status: 507, exit: 1, title: 'The cache is full', hint: 'Raise --max-size, or remove entries with seekwell rm.' },
  ORIGIN_MISSING: {
    status: 404,
    exit: 1,
    title: 'The origin does not have the resource',
    hint: 'Check the URL; seekwell retry asks again.',
  },
  ORIGIN_REFUSED: {
    status: 502,
    exit: 1,
    title: 'The origin refuses access',
    hint: 'Register the URL again with fresh credentials; seekwell retry asks again.',
  },
  ORIGIN_UNREACHABLE: {
    status: 503,
    exit: 1,
    title: 'The origin cannot be reached',
    hint: 'It is asked again by itself; check the network and the origin.',
  },
  ORIGIN_TIMEOUT: { status: 504, exit: 1, title: 'The origin is too slow', hint: 'It is asked again by itself; check the origin.' },
  ORIGIN_WRONG: {
    status: 502,
    exit: 1,
    title: 'The origin answered wrongly',
    hint: 'Check what the origin answers to a request with a Range.',
  },
  ORIGIN_CHANGED: { status: 502, exit: 1, title: 'The resource changed at the origin', hint: 'Open it again to read the new version.' },
  CLOSED: { status: 503, exit: 1, title: 'The cache is shutting down', hint: 'Start it again.' },
  INTERNAL: { status: 500, exit: 1, title: 'Something went wrong inside Seekwell', hint: 'Report it with the log around this moment.' },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERROR_KINDS;

export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERROR_KINDS, code);
}

export interface ErrorDetails {
  readonly cause?: unknown;
  /** Replaces the table's hint where more is known. */
  readonly hint?: string;
  /** Seconds after which another try makes sense. */
  readonly retryAfter?: number;
}

/** An error that Seekwell raises on purpose. Its message is for people and carries no secret. */
export class SeekwellError extends Error {
  override readonly name = 'SeekwellError';
  readonly code: ErrorCode;
  readonly hint: string;
  readonly retryAfter: number | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.code = code;
    this.hint = details.hint ?? ERROR_KINDS[code].hint;
    this.retryAfter = details.retryAfter;
  }

  get kind(): ErrorKind {
    return ERROR_KINDS[this.code];
  }
}

/** Whether `error` is a `SeekwellError`, of one of `codes` where any are given. */
export function isSeekwellError(error: unknown, ...codes: ErrorCode[]): error is SeekwellError {
  return error instanceof SeekwellError && (codes.length === 0 || codes.includes(error.code));
}

/** The store or the database failed, of whatever entry. */
export const STORAGE_CODES = ['STORAGE_FAILED', 'DATABASE_BUSY', 'DATABASE_UNUSABLE', 'DATABASE_GONE'] as const satisfies ErrorCode[];

/** `error` itself where it is one of ours, else wrapped as INTERNAL with the original as its cause. */
export function asSeekwellError(error: unknown): SeekwellError {
  if (error instanceof SeekwellError) return error;
  return new SeekwellError('INTERNAL', error instanceof Error ? error.message : String(error), { cause: error });
}
