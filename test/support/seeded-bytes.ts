/** The pieces in which `firstDifference` compares, so that a resource of any size needs little memory. */
const COMPARED_AT_ONCE = 1024 * 1024;

/** Spreads 32 bits over 32 bits: the finalizer of MurmurHash3, a bijection. */
function spread(bits: number): number {
  let h = bits;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** The part of the hash that stays the same for 2^32 words (16 GiB), beyond which the index no longer fits in 32 bits. */
function baseOf(seed: number, wordIndex: number): number {
  return spread(spread(seed) ^ Math.imul(Math.floor(wordIndex / 2 ** 32) + 1, 0x9e3779b1));
}

/** Bytes `start` to `end` (inclusive) of the endless resource that `seed` names. The same for ever, computed at any offset at no cost. */
export function bytesOf(seed: number, start: number, end: number): Buffer {
  const firstWord = Math.floor(start / 4);
  const wordCount = Math.floor(end / 4) - firstWord + 1;
  const words = new Int32Array(wordCount);
  let base = baseOf(seed, firstWord);
  // The lower 32 bits of the index. Two seeds differ in every word, so a mixture of versions never goes unseen.
  let low = (firstWord % 2 ** 32) | 0;
  for (let i = 0; i < wordCount; i++) {
    words[i] = spread(base ^ low);
    low = (low + 1) | 0;
    if (low === 0) base = baseOf(seed, firstWord + i + 1);
  }
  const skipped = start - firstWord * 4;
  return Buffer.from(words.buffer, skipped, end - start + 1);
}

/** The byte at `offset` of the resource that `seed` names. */
export function byteAt(seed: number, offset: number): number {
  return bytesOf(seed, offset, offset).readUInt8(0);
}

/**
 * Where `bytes`, which should be the resource's bytes from `start` on, are first something else: an offset in the resource, or null when
 * all are right. Tests compare by this, since a failed comparison of whole buffers prints megabytes.
 */
export function firstDifference(seed: number, start: number, bytes: Uint8Array): number | null {
  for (let from = 0; from < bytes.length; from += COMPARED_AT_ONCE) {
    const got = bytes.subarray(from, from + COMPARED_AT_ONCE);
    const expected = bytesOf(seed, start + from, start + from + got.length - 1);
    if (expected.equals(got)) continue;
    return start + from + got.findIndex((byte, i) => byte !== expected[i]);
  }
  return null;
}
