/** The invariants that a simulation holds the engine to. */
export type Invariant =
  /** A span's bytes are durable and equal the version that its epoch stands for. */
  | 'spans are true'
  /** A checksum is of a block that is recorded, and of the origin's bytes. */
  | 'checksums are true'
  /** Spans neither overlap nor touch, and lie within the total. */
  | 'spans are apart'
  /** Rows are disjoint from spans and from each other. */
  | 'rows are apart'
  /** What the triggers keep equals the sum over the spans. */
  | 'kept sum'
  /** Recorded bytes, leased rows and trash stay within the quota. */
  | 'quota'
  /** The view says what the tables mean. */
  | 'state'
  /** What a reader got is one version of its resource, and the one it was told. */
  | 'right bytes'
  /** Nothing fails in a way that has no name. */
  | 'named errors'
  /** When faults have stopped, readers get everything and entries become complete. */
  | 'progress'
  /** When nothing is to do, nothing runs. */
  | 'rest';

/** An invariant does not hold. */
export class SimulationFailure extends Error {
  override readonly name = 'SimulationFailure';
  readonly invariant: Invariant;

  constructor(invariant: Invariant, message: string) {
    super(message);
    this.invariant = invariant;
  }
}
