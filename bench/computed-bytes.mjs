// The bytes of computed resources: one block of noise over and over. Its length is a prime, so that no two places a power of two apart look the same.

const BLOCK_BYTES = 1_048_573;
const block = Buffer.alloc(BLOCK_BYTES);
let word = 0x2545f491;
for (let at = 0; at < BLOCK_BYTES; at++) {
  word ^= word << 13;
  word ^= word >>> 17;
  word ^= word << 5;
  block[at] = word;
}

/** The bytes from `position` on, without copying. @param {number} position @param {number} count @returns {Generator<Buffer>} */
export function* computedBytes(position, count) {
  for (let at = position; at < position + count; ) {
    const from = at % BLOCK_BYTES;
    const piece = block.subarray(from, Math.min(BLOCK_BYTES, from + position + count - at));
    yield piece;
    at += piece.length;
  }
}

/** Whether `bytes` stand at `position` of a computed resource. @param {Buffer} bytes @param {number} position */
export function areComputed(bytes, position) {
  let at = 0;
  for (const piece of computedBytes(position, bytes.length)) {
    if (bytes.compare(piece, 0, piece.length, at, at + piece.length) !== 0) return false;
    at += piece.length;
  }
  return true;
}
