/** What names one version of the origin's bytes. Both null: the origin names none, and only the length can tell versions apart. */
export interface Validator {
  /** A strong entity tag with its quotes (RFC 9110, section 8.8.3), else null: a weak one does not promise equal bytes. */
  readonly etag: string | null;
  /** The Last-Modified header as the origin wrote it. */
  readonly lastModified: string | null;
}

/** What is known of the origin's current version once its headers were read. */
export interface Description {
  readonly validator: Validator;
  /** Bytes of the whole resource; null when the origin gives no length. */
  readonly total: number | null;
  /** The media type as the origin wrote it, or null. */
  readonly mimeType: string | null;
}

/** `etag` where it is strong and well formed, else null. */
export function strongEtag(etag: string | null | undefined): string | null {
  return etag !== null && etag !== undefined && /^"[\x21\x23-\x7e\x80-\xff]*"$/.test(etag) ? etag : null;
}

/** The value for If-Range that makes the origin answer a range only of the same version, or null where it has no validator. */
export function ifRangeOf(validator: Validator): string | null {
  return validator.etag ?? validator.lastModified;
}

/**
 * Whether an answer's bytes belong to the version that is known. A strong ETag decides alone; without one on both sides Last-Modified
 * and the length decide; without any validator a changed length is all that can be seen. A length that either side lacks does not count.
 */
export function sameVersion(known: Description, answer: Description): boolean {
  const lengthDiffers = known.total !== null && answer.total !== null && known.total !== answer.total;
  if (lengthDiffers) return false;
  if (known.validator.etag !== null && answer.validator.etag !== null) return known.validator.etag === answer.validator.etag;
  if (known.validator.lastModified !== null && answer.validator.lastModified !== null) {
    return known.validator.lastModified === answer.validator.lastModified;
  }
  return true;
}
