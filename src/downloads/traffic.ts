/** What passed through this process since it started, for metrics. No answer depends on it. */
export class Traffic {
  /** Bytes given to readers that were recorded already. */
  hitBytes = 0;
  /** Bytes given to readers while they were fetched. */
  missBytes = 0;
  /** Bytes that came from origins, kept or not. */
  originBytes = 0;
  /** Readers that are open now. */
  openReaders = 0;
}
