import type { Command } from '@commander-js/extra-typings';
import { parseSize } from '../../config/byte-size.ts';
import type { RangeSpec } from '../../core/http-range.ts';
import { entryName } from '../entry-text.ts';
import { asAskedOnce, usageError } from '../failure.ts';
import { cacheDirOption, configOption, engineOptions, openCache, settingsOf, using } from '../open-cache.ts';
import { hearOrigin, registrationOf } from '../register-url.ts';
import { cookiesOption, headerOption, refererOption, userOption } from '../request-headers.ts';

/** The first and the last bytes of a resource: players want both before anything else. Null: everything. */
function endsOf(text: string | undefined): RangeSpec[] | null {
  if (text === undefined) return null;
  const size = parseSize(text);
  if (size.kind !== 'bytes' || size.bytes === 0) throw usageError(`--bytes "${text}" is not a number of bytes`, 'Write a size like 10MB.');
  return [
    { kind: 'from', start: 0, end: size.bytes - 1 },
    { kind: 'suffix', length: size.bytes },
  ];
}

export function define(program: Command): void {
  program
    .command('prefetch')
    .summary('fetch a URL in the background')
    .description('Asks for all bytes of a URL, or its first and last ones, in the background: the daemon fetches them.')
    .argument('<url>', 'the URL at the origin')
    .option('--bytes <size>', 'only the first and the last of this many bytes')
    .addOption(headerOption())
    .addOption(userOption())
    .addOption(refererOption())
    .addOption(cookiesOption())
    .addOption(cacheDirOption())
    .addOption(configOption())
    .action(async (url, flags) => {
      const registration = await registrationOf(url, flags);
      const specs = endsOf(flags.bytes);
      const settings = await settingsOf(flags);
      // This process does not fill: what it reads to hear what the resource is asks for no more than it was told to.
      await using(await openCache({ ...engineOptions(settings), fill: 'never', background: false }), async (cache) => {
        const entry = await cache.add(registration);
        await hearOrigin(entry).catch((error) => Promise.reject(asAskedOnce(error)));
        await entry.requestPrefetch(specs);
        const info = await entry.info();
        const { id } = entry;
        if (info.pendingChunks === 0) process.stdout.write(`Already there: ${id} ${entryName(info)}\n`);
        else process.stdout.write(`To be fetched: ${id} ${entryName(info)}\n`);
        if (info.pendingChunks > 0 && (await cache.servedAt()) === null) {
          process.stderr.write('No daemon serves this cache now: it is fetched once seekwell serve runs.\n');
        }
      });
    });
}
