import type { Command } from '@commander-js/extra-typings';
import { streamUrlOf } from '../entry-text.ts';
import { cacheDirOption, configOption, engineOptions, openCache, settingsOf, streamBaseOf, using } from '../open-cache.ts';
import { registrationOf } from '../register-url.ts';
import { cookiesOption, headerOption, refererOption, userOption } from '../request-headers.ts';
import { settingOption } from '../setting-options.ts';

export function define(program: Command): void {
  program
    .command('url')
    .summary('register a URL and print its stream URL')
    .description('Registers a URL and prints its stream URL, for any player to open.')
    .argument('<url>', 'the URL at the origin')
    .addOption(headerOption())
    .addOption(userOption())
    .addOption(refererOption())
    .addOption(cookiesOption())
    .addOption(settingOption('publicUrl'))
    .addOption(settingOption('token'))
    .addOption(settingOption('tokenFile'))
    .addOption(cacheDirOption())
    .addOption(configOption())
    .action(async (url, flags) => {
      const registration = await registrationOf(url, flags);
      const settings = await settingsOf(flags);
      await using(await openCache({ ...engineOptions(settings), background: false }), async (cache) => {
        const base = await streamBaseOf(cache, flags);
        const entry = await cache.add(registration);
        process.stdout.write(`${streamUrlOf(await entry.info(), base)}\n`);
        if (!base.isServed) process.stderr.write('No daemon serves this cache now: start one with seekwell serve.\n');
      });
    });
}
