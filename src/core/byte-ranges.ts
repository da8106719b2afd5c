/** A run of bytes, both ends inclusive, as in HTTP (RFC 9110, section 14.1.2) and in the database. Never empty. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Whether `value` can be the place of a byte, or a number of bytes. */
export function isPosition(value: number): boolean {
  return Number.isInteger(value) && value >= 0;
}

/** How many bytes `range` holds. */
export function lengthOf(range: ByteRange): number {
  return range.end - range.start + 1;
}

/** How many bytes `ranges` hold together; they must not overlap. */
export function totalLength(ranges: readonly ByteRange[]): number {
  let sum = 0;
  for (const range of ranges) sum += lengthOf(range);
  return sum;
}

/** The bytes that are in both, or null where there are none. */
export function intersect(a: ByteRange, b: ByteRange): ByteRange | null {
  const start = Math.max(a.start, b.start);
  const end = Math.min(a.end, b.end);
  return start <= end ? { start, end } : null;
}

/** Sorts `ranges` and joins those that overlap or touch. */
export function normalize(ranges: readonly ByteRange[]): ByteRange[] {
  const merged: ByteRange[] = [];
  for (const range of [...ranges].sort((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last !== undefined && range.start <= last.end + 1) {
      merged[merged.length - 1] = { start: last.start, end: Math.max(last.end, range.end) };
    } else {
      merged.push(range);
    }
  }
  return merged;
}

/** The parts of `within` that none of `present` holds. `present` must be normalized (see `normalize`). */
export function missing(present: readonly ByteRange[], within: ByteRange): ByteRange[] {
  const holes: ByteRange[] = [];
  let from = within.start;
  for (const range of present) {
    if (range.start > within.end) break;
    if (range.end < from) continue;
    if (range.start > from) holes.push({ start: from, end: range.start - 1 });
    from = range.end + 1;
  }
  if (from <= within.end) holes.push({ start: from, end: within.end });
  return holes;
}
