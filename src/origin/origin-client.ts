import type { Ending } from '../core/ending.ts';
import type { RangeSpec } from '../core/http-range.ts';
import type { Description } from '../core/validator.ts';
import type { SeekwellError } from '../errors.ts';

/** Where a resource is and what its server wants to see. Both are secrets: never log them. */
export interface OriginLocation {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** One request for bytes of a resource. */
export interface OriginRequest {
  readonly location: OriginLocation;
  /** What to ask for; null sends no Range header. */
  readonly range: RangeSpec | null;
  /** The version whose bytes are wanted: sent as If-Range, and every answer is held against it. Null at the first contact. */
  readonly expected: Description | null;
  /** True: an `encoded` answer comes with its body, to be passed on as it is. Unset or false: that body is discarded. */
  readonly relayEncoded?: boolean;
  /**
   * Set: more will be asked for soon. Once the answer's bytes come, and for a while, a connection to the server that answered is kept ready whenever this
   * says that there may be one more.
   */
  readonly spare?: (() => boolean) | null;
}

/** What the origin's answer to an `OriginRequest` means. Only `bytes` (and `encoded` on demand) has a body; the others' were discarded. */
export type OriginAnswer =
  | {
      readonly kind: 'bytes';
      /** Where the body begins. 0 with `rangesRefused`. */
      readonly start: number;
      /**
       * Where the body ends, inclusive; null when the origin gives no length. May lie before the end that was asked for: the server
       * chose a shorter piece.
       */
      readonly end: number | null;
      /** The origin sent the whole resource although a range was asked for. */
      readonly rangesRefused: boolean;
      readonly description: Description;
      /** Further headers of the answer that are worth passing on, by lower-case name. */
      readonly headers: Readonly<Record<string, string>>;
      readonly body: OriginBody;
    }
  /** The resource is empty. */
  | { readonly kind: 'empty'; readonly description: Description }
  /** The origin has another version than `expected`. */
  | { readonly kind: 'changed' }
  /** 416: the range begins beyond the end. `total` null: the origin does not say where the end is. */
  | { readonly kind: 'unsatisfiable'; readonly total: number | null }
  /** Content-Encoding other than identity: these are not the resource's bytes. `relay` is there when `relayEncoded` asked for it. */
  | { readonly kind: 'encoded'; readonly encoding: string; readonly relay?: EncodedRelay }
  /**
   * A permanent refusal: 404 and 410 (`ORIGIN_MISSING`), 401, 403 and other 4xx (`ORIGIN_REFUSED`). `status` null: nothing was asked, because
   * the URL (`BAD_URL`) or a header of the location (`BAD_OPTION`) cannot be sent.
   */
  | { readonly kind: 'refused'; readonly error: SeekwellError; readonly status: number | null }
  /**
   * Worth another try later: 429, 5xx, a network error, a timeout, an answer that breaks the protocol; `CLOSED` when the caller gave up. `overloaded`: the
   * origin said that it is asked too much (429, 503).
   */
  | { readonly kind: 'transient'; readonly error: SeekwellError; readonly retryAfterMs: number | null; readonly overloaded?: boolean };

export type BytesAnswer = Extract<OriginAnswer, { kind: 'bytes' }>;

/** An encoded answer, to be passed on with its status and headers as they are: its ranges and lengths are those of the encoded form. */
export interface EncodedRelay {
  readonly status: 200 | 206;
  /** What describes the body, by lower-case name: content-encoding and, where the origin sent them, type, length, range, validators. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: OriginBody;
}

/** Receives a body's bytes. Neither is called while the body is paused, nor after `OriginBody.abort`. */
export interface BodySink {
  /** The next bytes, in order. The buffer is the sink's to keep. */
  data(chunk: Buffer): void;
  /** Once, at the end: null when every byte that was promised has come, else why the body broke off. */
  end(error: SeekwellError | null): void;
}

/** A body under way. Nothing flows before `start`. */
export interface OriginBody {
  /** Lets the bytes flow to `sink`. Once. */
  start(sink: BodySink): void;
  /** Stops the flow at once. May be called before `start`; a paused body never times out. */
  pause(): void;
  /** Lets it flow again, never before the caller's stack has ended. */
  resume(): void;
  /** Ends the transfer and closes its connection; harmless after the end. */
  abort(): void;
}

/** Asks origins for bytes. Follows redirects, keeps credentials from other hosts, leaves trying again to its caller. */
export interface OriginClient {
  /**
   * Sends one request and says what the answer means. Never rejects for what an origin or the network does.
   * @param signal aborts the request until the answer is there (`transient` with `CLOSED`); the body has `abort`
   */
  open(request: OriginRequest, signal?: Ending): Promise<OriginAnswer>;
  /** Ends what is under way with `CLOSED`; whatever is opened afterwards is answered so too. */
  close(): Promise<void>;
}
