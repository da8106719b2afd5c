import { createServer } from 'node:http';
import { pipeline, Readable } from 'node:stream';
import { areComputed, computedBytes } from '../../bench/computed-bytes.mjs';

// The films of a soak: computed, so that every byte can be held against what it must be. Each film is another part of the same noise.

const MIB = 1024 * 1024;
const SHIFT = 100_003;

/** Sizes in bytes. Together several times what the cache may keep. */
export const FILMS = [1.5 * MIB, 4 * MIB, 5 * MIB + 1, 8 * MIB, 8 * MIB + 4095, 12 * MIB].map((size, index) => ({
  name: `/film-${index}.mkv`,
  size: Math.floor(size),
  shift: index * SHIFT,
}));

export const MAX_SIZE = 16 * MIB;

/** Whether `bytes` are those of film `index` from `position` on. @param {number} index @param {Buffer} bytes @param {number} position */
export function areRight(index, bytes, position) {
  return areComputed(bytes, position + Number(FILMS[index]?.shift));
}

/** Serves the films; counts the bytes it sends. */
export async function startOrigin() {
  const counted = { bytes: 0 };
  const server = createServer((request, response) => {
    const film = FILMS.find(({ name }) => name === request.url);
    if (film === undefined) return void response.writeHead(404).end();
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const start = Number(range?.[1] ?? 0);
    const end = Math.min(film.size - 1, range?.[2] ? Number(range[2]) : film.size - 1);
    const headers = { etag: `"${film.name}"`, 'content-type': 'video/x-matroska', 'content-length': end - start + 1 };
    response.writeHead(
      range === null ? 200 : 206,
      range === null ? headers : { ...headers, 'content-range': `bytes ${start}-${end}/${film.size}` },
    );
    const counting = function* () {
      for (const piece of computedBytes(start + film.shift, end - start + 1)) {
        counted.bytes += piece.length;
        yield piece;
      }
    };
    // A client that leaves is no error.
    pipeline(Readable.from(counting()), response, () => {});
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return { url: `http://127.0.0.1:${port}`, counted, close: () => server.close() && server.closeAllConnections() };
}
