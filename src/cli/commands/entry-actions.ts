import type { Command } from '@commander-js/extra-typings';
import type { Entry } from '../../cached-entry.ts';
import { isSeekwellError } from '../../errors.ts';
import { ENTRY_HELP, entriesOf } from '../entry-refs.ts';
import { cacheDirOption, configOption, openExisting } from '../open-cache.ts';
import { hearOrigin } from '../register-url.ts';
import { oneLine } from '../terminal.ts';

/** A command that does the same to each entry it is given, in the database: a daemon notices by itself. */
interface EntryAction {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  /** What is said of each entry afterwards. */
  readonly done: string;
  act(entry: Entry): Promise<void>;
}

/**
 * What is to be fetched of a resource that the origin was never heard of can only be planned once it is known how long it is; then this process asks. An
 * origin that cannot be reached now is asked again by the daemon.
 */
async function fetchAgain(entry: Entry): Promise<void> {
  await entry.retry();
  try {
    await hearOrigin(entry);
    await entry.requestPrefetch(null);
  } catch (error) {
    if (!isSeekwellError(error, 'ORIGIN_UNREACHABLE', 'ORIGIN_TIMEOUT', 'ORIGIN_WRONG')) throw error;
    process.stderr.write(`${oneLine(error.message)}. ${error.hint}\n`);
  }
}

const ACTIONS: readonly EntryAction[] = [
  {
    name: 'pause',
    summary: 'stop fetching entries in the background',
    description: 'Stops fetching entries in the background. Players still get what they read.',
    done: 'Paused',
    act: (entry) => entry.pause(),
  },
  {
    name: 'resume',
    summary: 'fetch paused entries again',
    description: 'Fetches paused entries to their end, in the background.',
    done: 'Resumed',
    act: fetchAgain,
  },
  {
    name: 'retry',
    summary: 'try failed entries again',
    description: 'Forgets why entries failed and fetches them again, in the background.',
    done: 'To be tried again:',
    act: fetchAgain,
  },
  {
    name: 'pin',
    summary: 'keep entries from being evicted',
    description: 'Keeps entries when the cache needs room.',
    done: 'Pinned',
    act: (entry) => entry.pin(),
  },
  {
    name: 'unpin',
    summary: 'let entries be evicted again',
    description: 'Lets entries go when the cache needs room.',
    done: 'Unpinned',
    act: (entry) => entry.unpin(),
  },
];

export function define(program: Command): void {
  for (const action of ACTIONS) {
    program
      .command(action.name)
      .summary(action.summary)
      .description(action.description)
      .argument('<entry...>', ENTRY_HELP)
      .addOption(cacheDirOption())
      .addOption(configOption())
      .action(async (refs, flags) => {
        const cache = await openExisting(flags);
        try {
          for (const entry of await entriesOf(cache, refs)) {
            await action.act(entry);
            const { entryName } = await import('../entry-text.ts');
            process.stdout.write(`${action.done} ${entry.id} ${entryName(await entry.info())}\n`);
          }
        } finally {
          await cache?.close();
        }
      });
  }
}
