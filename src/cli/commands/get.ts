import { once } from 'node:events';
import type { Command } from '@commander-js/extra-typings';
import type { Entry } from '../../cached-entry.ts';
import { formatSize } from '../../config/byte-size.ts';
import type { EntryInfo } from '../../entry-info.ts';
import { SeekwellError } from '../../errors.ts';
import type { FileCache } from '../../file-cache.ts';
import { DownloadProgress } from '../download-progress.ts';
import { entryName } from '../entry-text.ts';
import { asAskedOnce } from '../failure.ts';
import { cacheDirOption, configOption, engineOptions, openCache, settingsOf, using } from '../open-cache.ts';
import { checkOutput, exportFile, type OutputFile } from '../output-file.ts';
import { ProgressLine } from '../progress-line.ts';
import { type Registration, registrationOf } from '../register-url.ts';
import { cookiesOption, headerOption, refererOption, userOption } from '../request-headers.ts';
import { settingOption } from '../setting-options.ts';
import { type EndSignal, onEndSignals } from '../shutdown.ts';

/** An origin that gave no byte for this long, for a passing reason, is given up, in milliseconds. What is there stays. */
const GIVE_UP_MS = 5 * 60_000;
const LOOK_MS = 250;

const EXIT_CODES: Readonly<Record<EndSignal, number>> = { SIGINT: 130, SIGTERM: 143 };

type CacheOptions = Parameters<typeof openCache>[0];

/** What to do with the resource: keep it in the cache, write it to stdout while it arrives, or copy it to a file. */
type Output = { readonly kind: 'none' } | { readonly kind: 'stdout' } | { readonly kind: 'file'; readonly file: OutputFile };

async function outputOf(text: string | undefined): Promise<Output> {
  if (text === undefined) return { kind: 'none' };
  if (text === '-') return { kind: 'stdout' };
  return { kind: 'file', file: await checkOutput(text) };
}

/** Registers the URL in an opening of its own: only then is it known which entry the next one works on. */
async function register(options: CacheOptions, registration: Registration): Promise<number> {
  return using(await openCache({ ...options, background: false }), async (cache) => (await cache.add(registration)).id);
}

/** Somebody wants it now: what kept it from being fetched before does not count. */
async function forgetFailure(entry: Entry): Promise<void> {
  const { state, retryAt } = await entry.info();
  if (state === 'Failed' || retryAt !== null) await entry.retry();
}

/** Watches one download: shows it, and ends it when it makes no sense any more. */
class Watch {
  readonly progress = new DownloadProgress();
  readonly #cache: FileCache;
  readonly #line = new ProgressLine(this.progress);
  readonly #timer: NodeJS.Timeout;
  readonly #stop: AbortController;
  #info: EntryInfo | null = null;
  #failure: SeekwellError | null = null;

  constructor(cache: FileCache, stop: AbortController) {
    this.#cache = cache;
    this.#stop = stop;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** Why the watch itself ended the download. */
  get failure(): SeekwellError | null {
    return this.#failure;
  }

  see(info: EntryInfo): void {
    this.#info = info;
    const { downloadedBytes, expectedTotalSize: totalBytes, progress, active, lastError: trouble } = info;
    const retryAt = info.retryAt === null ? null : Date.parse(info.retryAt);
    this.progress.add(
      { downloadedBytes, totalBytes, progress, active, trouble, retryAt, connections: this.#cache.activeFetches },
      performance.now(),
    );
    const { quota } = this.#cache;
    if (quota !== null && totalBytes !== null && totalBytes > quota) {
      this.#abandon(
        new SeekwellError('QUOTA_EXCEEDED', `the resource has ${formatSize(totalBytes)}, the cache takes ${formatSize(quota)}`, {
          hint: 'Raise --max-size.',
        }),
      );
    }
  }

  end(): void {
    clearInterval(this.#timer);
    this.#line.end();
  }

  #look(): void {
    const trouble = this.#info?.lastError ?? null;
    if (trouble === null || this.progress.idleMs(performance.now()) < GIVE_UP_MS) return;
    this.#abandon(new SeekwellError('ORIGIN_UNREACHABLE', trouble, { hint: 'What is there is kept: run it again to go on.' }));
  }

  #abandon(failure: SeekwellError): void {
    this.#failure ??= failure;
    this.#stop.abort();
  }
}

/** Writes the resource to stdout while it arrives. False: whoever read it has gone. */
async function pipeToStdout(entry: Entry, signal: AbortSignal): Promise<boolean> {
  const out = process.stdout;
  let gone = false;
  out.once('error', () => {
    gone = true;
  });
  for await (const chunk of entry.read({ signal })) {
    if (gone) return false;
    if (!out.write(chunk)) await Promise.race([once(out, 'drain', { signal }), once(out, 'close')]).catch(() => {});
  }
  return !gone;
}

/** Fetches all of it, and says so. */
async function fetchAll(cache: FileCache, entry: Entry, output: Output, stop: AbortController): Promise<void> {
  const watch = new Watch(cache, stop);
  const { signal } = stop;
  try {
    watch.see(await entry.info());
    const fetching = entry.prefetch({ signal, onProgress: (info) => watch.see(info) });
    if (output.kind === 'stdout') {
      const piping = pipeToStdout(entry, signal).then((listening) => {
        if (!listening) stop.abort();
      });
      await Promise.all([fetching, piping]);
    } else {
      await fetching;
    }
    watch.see(await entry.info());
  } catch (error) {
    throw watch.failure ?? asAskedOnce(error);
  } finally {
    watch.end();
  }
  if (output.kind === 'file') await exportComplete(entry, output.file);
  const info = await entry.info();
  const where = output.kind === 'file' ? ` to ${output.file.path}` : '';
  process.stderr.write(`Complete: ${entryName(info)}${where} (${watch.progress.summary(performance.now())})\n`);
}

async function exportComplete(entry: Entry, file: OutputFile): Promise<void> {
  // The copy is made past all readers: what lay on the disk for long is checked before.
  await entry.verify({ repair: true });
  const source = await entry.filePath();
  if (source === null)
    throw new SeekwellError('INCOMPLETE', 'the entry lost bytes again before they were exported', { hint: 'Run it again.' });
  await exportFile(source, file);
}

async function get(options: CacheOptions, registration: Registration, output: Output): Promise<void> {
  const stop = new AbortController();
  let endedBy: EndSignal | null = null;
  onEndSignals(
    (signal) => {
      endedBy = signal;
      stop.abort();
    },
    () => process.exit(EXIT_CODES[endedBy ?? 'SIGINT']),
  );
  const id = await register(options, registration);
  const cache = await openCache({ ...options, background: id });
  try {
    const entry = await cache.get(id);
    if (entry === null) throw new SeekwellError('ENTRY_NOT_FOUND', 'the entry was removed');
    await forgetFailure(entry);
    await fetchAll(cache, entry, output, stop);
  } catch (error) {
    // Ended by a signal, or by a reader of stdout that left.
    if (!stop.signal.aborted || error !== stop.signal.reason) throw error;
  } finally {
    await cache.close();
  }
  if (endedBy === null) return;
  process.stderr.write('Stopped. What is there is kept: run it again to go on; a daemon on this cache goes on by itself.\n');
  process.exitCode = EXIT_CODES[endedBy];
}

export function define(program: Command): void {
  program
    .command('get')
    .summary('fetch a URL into the cache, or into a file')
    .description(
      'Fetches a URL into the cache, going on where an earlier run or a player left off, and copies it to a file where -o names one.',
    )
    .argument('<url>', 'the URL at the origin')
    .option('-o, --output <file>', 'copy the complete resource to this file; - writes it to stdout')
    .addOption(headerOption())
    .addOption(userOption())
    .addOption(refererOption())
    .addOption(cookiesOption())
    .addOption(settingOption('connections'))
    .addOption(settingOption('limitRate'))
    .addOption(settingOption('maxSize'))
    .addOption(cacheDirOption())
    .addOption(configOption())
    .action(async (url, flags) => {
      const registration = await registrationOf(url, flags);
      const settings = await settingsOf(flags);
      const output = await outputOf(flags.output);
      await get(engineOptions(settings), registration, output);
    });
}
