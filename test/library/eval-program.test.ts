import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { directEnvironment, run } from '../support/child-process.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import { temporaryFolder } from '../support/temp-folder.ts';

const MIB = 1024 * 1024;
const PACKAGE = fileURLToPath(new URL('../../', import.meta.url));

/** Fetches all of a resource, reads it, and says how many bytes and whether it is complete: this needs each of the threads. */
const PROGRAM = `
import { FileCache } from 'seekwell';
const [cacheDir, url] = process.argv.slice(-2);
const cache = await FileCache.open({ cacheDir });
const entry = await cache.add({ url });
await entry.prefetch();
let bytes = 0;
for await (const piece of entry.read()) bytes += piece.length;
const { checkedBytes, newChecksums } = await entry.verify();
console.log(JSON.stringify({ bytes, verified: checkedBytes + newChecksums * 1048576, state: (await entry.info()).state }));
await cache.close();
`;

test('a program without a file uses the library: its threads start without what node was started with', async () => {
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 2 * MIB });
  const ended = await run(process.execPath, ['--input-type=module', '--eval', PROGRAM, '--', await temporaryFolder(), film.url], {
    env: directEnvironment(),
    cwd: PACKAGE,
  });
  expect({ code: ended.code, stderr: ended.stderr }).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(ended.stdout)).toEqual({ bytes: film.size, verified: film.size, state: 'Complete' });
});
