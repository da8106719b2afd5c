import type { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { SeekwellError } from '../errors.ts';

/** The most bytes of a request's body. */
const MAX_BODY_BYTES = 1024 * 1024;
/** More than this many complaints help nobody. */
const MAX_COMPLAINTS = 5;

type Issue = z.core.$ZodIssue;

/** What is wrong and where. Keys of `headers` are left out: what is no header's name may be a secret in the wrong place. */
function complaint({ path, message, code }: Issue): string {
  const shown = path[0] === 'headers' ? path.slice(0, 1) : path;
  const text = code === 'invalid_key' ? 'a name is not what HTTP allows in a header' : message;
  return shown.length === 0 ? text : `${shown.join('.')}: ${text}`;
}

/** `value` as `schema` has it. @throws SeekwellError BAD_REQUEST, which shows no value of the request */
export function checked<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const complaints = result.error.issues.slice(0, MAX_COMPLAINTS).map(complaint);
  throw new SeekwellError('BAD_REQUEST', complaints.join('; '));
}

/**
 * The JSON body of a request; an empty one counts as `{}`.
 * @throws SeekwellError BAD_REQUEST when it is not JSON, or does not fit `schema`
 */
export async function readBody<S extends z.ZodType>(context: Context, schema: S): Promise<z.output<S>> {
  const text = await readText(context.req.raw);
  const type = context.req.header('content-type');
  if (text !== '' && !/^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(type ?? '')) {
    throw new SeekwellError('BAD_REQUEST', 'the body is not marked as JSON', { hint: 'Send it with Content-Type: application/json.' });
  }
  return checked(schema, parsed(text));
}

/** Reads no more than the limit, whatever Content-Length says. */
async function readText(request: Request): Promise<string> {
  if (request.body === null) return '';
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = request.body.getReader();
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    length += value.length;
    if (length > MAX_BODY_BYTES) throw new SeekwellError('BAD_REQUEST', `the body is longer than ${MAX_BODY_BYTES} bytes`);
    chunks.push(value);
  }
  return Buffer.concat(chunks).toString();
}

function parsed(text: string): unknown {
  if (text.trim() === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message quotes the body.
    throw new SeekwellError('BAD_REQUEST', 'the body is not valid JSON');
  }
}
