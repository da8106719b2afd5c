import { asSeekwellError, isSeekwellError, SeekwellError } from '../errors.ts';
import { oneLine } from './terminal.ts';

/** A mistake on the command line. */
export function usageError(message: string, hint: string): SeekwellError {
  return new SeekwellError('BAD_OPTION', message, { hint });
}

/** `error` for a command that asks the origin itself: nobody asks it again once the command has ended. */
export function asAskedOnce(error: unknown): unknown {
  if (!isSeekwellError(error, 'ORIGIN_UNREACHABLE', 'ORIGIN_TIMEOUT')) return error;
  return new SeekwellError(error.code, error.message, { hint: 'Check the network and the origin, then run it again.', cause: error });
}

/** What a failure of the system says in one line; null for what is not one. */
function systemFailure(error: unknown): string | null {
  if (!(error instanceof Error) || !('syscall' in error)) return null;
  return error.message;
}

/**
 * Says on stderr in one line what went wrong and how to mend it. Only what is a mistake of Seekwell's own brings a stack trace.
 * @returns the exit code
 */
export function reportFailure(error: unknown): number {
  const system = systemFailure(error);
  if (system !== null) {
    process.stderr.write(`seekwell: ${oneLine(system)}\n`);
    return 1;
  }
  const { message, hint, kind } = asSeekwellError(error);
  process.stderr.write(`seekwell: ${oneLine(message)}. ${oneLine(hint)}\n`);
  if (!isSeekwellError(error) && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  return kind.exit;
}
