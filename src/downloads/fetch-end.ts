import type { SeekwellError } from '../errors.ts';
import type { RecordFailure } from './span-recorder.ts';

/** How a fetch ended. */
export type FetchEnd =
  /** It wrote what it held, or was told to stop. */
  | { readonly kind: 'done' }
  | RecordFailure
  /** The answer cannot be kept: it is encoded. */
  | { readonly kind: 'uncacheable'; readonly error: SeekwellError }
  /** The entry's file is missing although spans of it are recorded. */
  | { readonly kind: 'lost' }
  | { readonly kind: 'empty' }
  | { readonly kind: 'unsatisfiable'; readonly total: number | null }
  | { readonly kind: 'refused'; readonly error: SeekwellError; readonly status: number | null }
  | {
      readonly kind: 'transient';
      readonly error: SeekwellError;
      readonly retryAfterMs: number | null;
      readonly progress: boolean;
      /** The origin said that it is asked too much. */
      readonly overloaded?: boolean;
    };
