import type { ChunkStore, FileSend } from '../chunk-store/chunk-store.ts';
import { type ByteRange, lengthOf } from '../core/byte-ranges.ts';
import type { ReadView } from '../repository/cache-repository.ts';
import type { AccessNotes } from './access-notes.ts';
import type { BlockChecker } from './block-checker.ts';
import type { Traffic } from './traffic.ts';

export interface WholeFilesParts {
  readonly store: ChunkStore;
  readonly checker: BlockChecker;
  readonly manager: { readonly accesses: AccessNotes };
  readonly traffic: Traffic;
}

/**
 * The file of a complete entry is the resource: nothing is to be fetched, planned or waited for. What of it was checked and is in memory needs no reader,
 * which with small ranges costs more than sending them.
 */
export class WholeFiles {
  readonly #parts: WholeFilesParts;

  constructor(parts: WholeFilesParts) {
    this.#parts = parts;
  }

  /** Has `send` take the bytes of `range`, which lie within the total, at once. Returns how many it took; null: a reader must tell, `send` was not called. */
  sendNow({ entry, span }: ReadView, range: ByteRange, send: FileSend): number | null {
    const { store, checker, manager, traffic } = this.#parts;
    const { start, end } = range;
    if (!entry.isComplete || span === null || span.start > start || span.end < end) return null;
    const checked = checker.checkedPart(entry, span, { position: start, end });
    if (checked === null || checked.checkedEnd < end) return null;
    const sent = store.sendNow(entry.filePath, start, lengthOf(range), send);
    if (sent === null) return null;
    traffic.hitBytes += sent;
    manager.accesses.note(entry);
    return sent;
  }
}
