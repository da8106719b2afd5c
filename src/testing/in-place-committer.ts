import { type ErrorCode, SeekwellError } from '../errors.ts';
import type { CacheRepository } from '../repository/cache-repository.ts';

/** The methods of the contract. */
type Method = keyof CacheRepository;
type Arguments<Name extends Method> = Parameters<CacheRepository[Name]>;
type Result<Name extends Method> = Awaited<ReturnType<CacheRepository[Name]>>;

/** What carries out changes, one after the other, in this thread; `SqliteWriter` is one. */
interface Writer {
  run(calls: readonly { readonly id: number; readonly name: string; readonly args: readonly unknown[] }[]): readonly Reply[];
  close(): void;
}

type Reply = { readonly ok: true; readonly result: unknown } | { readonly ok: false; readonly code: ErrorCode; readonly message: string };

/**
 * Stands in for the commit thread where a simulation owns the order of events: a change is carried out within the call, in a transaction of its own.
 */
export class InPlaceCommitter {
  readonly #writer: Writer;
  #closed = false;

  constructor(writer: Writer) {
    this.#writer = writer;
  }

  async call<Name extends Method>(name: Name, ...args: Arguments<Name>): Promise<Result<Name>> {
    if (this.#closed) throw new SeekwellError('CLOSED', 'the cache is closed');
    const [reply] = this.#writer.run([{ id: 1, name, args }]);
    if (reply === undefined) throw new SeekwellError('INTERNAL', 'a change was not answered');
    if (!reply.ok) throw new SeekwellError(reply.code, reply.message);
    return reply.result as Result<Name>;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#writer.close();
  }
}
