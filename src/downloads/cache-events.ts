import { EventEmitter } from 'node:events';

/** What happens in this process, as hints for whoever watches. The database is the truth. */
export interface CacheEventMap {
  /** Something about an entry changed: its state may be another now. */
  entryChanged: [event: { readonly entryId: number }];
  entryRemoved: [event: { readonly entryId: number }];
  /** Bytes of an entry were recorded. */
  rangesAdded: [event: { readonly entryId: number }];
  streamOpened: [event: { readonly entryId: number; readonly streamId: number }];
  streamClosed: [event: { readonly entryId: number; readonly streamId: number }];
}

export class CacheEvents extends EventEmitter<CacheEventMap> {
  constructor() {
    super();
    // Each waiting prefetch and each listener of the API is one.
    this.setMaxListeners(0);
  }
}
