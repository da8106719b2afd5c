import type { Command } from '@commander-js/extra-typings';
import type { Entry } from '../../cached-entry.ts';
import { formatSize } from '../../config/byte-size.ts';
import { totalLength } from '../../core/byte-ranges.ts';
import type { BadBytes, VerifyReport } from '../../downloads/entry-verifier.ts';
import type { FileCache } from '../../file-cache.ts';
import { ENTRY_HELP, entriesOf } from '../entry-refs.ts';
import { entryName } from '../entry-text.ts';
import { type CacheFlags, cacheDirOption, configOption, engineOptions, openWith, settingsOf } from '../open-cache.ts';
import { asJson } from '../show.ts';
import { oneLine } from '../terminal.ts';

interface VerifyFlags extends CacheFlags {
  readonly repair?: true | undefined;
  readonly json?: true | undefined;
}

interface Verified extends VerifyReport {
  readonly id: number;
  readonly name: string;
}

const REASONS: Readonly<Record<BadBytes['why'], string>> = {
  checksum: 'do not match their checksum',
  unreadable: 'cannot be read from the disk',
  short: 'are missing: the file is too short',
  missing: 'are missing: the file is gone',
};

async function chosen(cache: FileCache, refs: readonly string[]): Promise<Entry[]> {
  if (refs.length > 0) return entriesOf(cache, refs);
  const ids: string[] = [];
  for await (const { id } of cache.list({ sort: 'id' })) ids.push(String(id));
  return entriesOf(cache, ids);
}

async function verifyOne(entry: Entry, { repair, json }: VerifyFlags): Promise<Verified> {
  const { id } = entry;
  const name = entryName(await entry.info());
  const say = (text: string): boolean => json === true || process.stdout.write(`${id} ${oneLine(name)}: ${text}\n`);
  const onBad = ({ start, end, why }: BadBytes): boolean => say(`bytes ${start}-${end} ${REASONS[why]}`);
  const report = await entry.verify({ repair: repair === true, onBad });
  if (report.failure !== null) process.stderr.write(`${id} ${oneLine(name)}: not fetched again: ${oneLine(report.failure)}\n`);
  return { id, name, ...report };
}

function summary(verified: readonly Verified[]): string {
  const sum = (of: (one: Verified) => number): number => verified.reduce((total, one) => total + of(one), 0);
  const badBytes = sum(({ bad }) => totalLength(bad));
  const repaired = sum((one) => (one.repaired ? totalLength(one.bad) : 0));
  const newChecksums = sum((one) => one.newChecksums);
  const partialBytes = sum((one) => one.partialBytes);
  const parts = [
    `${formatSize(sum(({ checkedBytes }) => checkedBytes))} right`,
    `${badBytes === 0 ? 'nothing' : formatSize(badBytes)} bad${repaired === 0 ? '' : `, ${repaired === badBytes ? '' : `${formatSize(repaired)} of it `}fetched again`}`,
    ...(newChecksums === 0 ? [] : [`${newChecksums} ${newChecksums === 1 ? 'block' : 'blocks'} had no checksum before`]),
    ...(partialBytes === 0 ? [] : [`${formatSize(partialBytes)} in unfinished blocks cannot be checked yet`]),
  ];
  return `Verified ${verified.length} ${verified.length === 1 ? 'entry' : 'entries'}: ${parts.join('; ')}.`;
}

async function verify(refs: readonly string[], flags: VerifyFlags): Promise<void> {
  // This process does not fill: it fetches what was bad, and no more.
  const cache = await openWith({ ...engineOptions(await settingsOf(flags)), fill: 'never' });
  try {
    const entries = cache === null ? await entriesOf(null, refs) : await chosen(cache, refs);
    const verified: Verified[] = [];
    for (const entry of entries) verified.push(await verifyOne(entry, flags));
    process.stdout.write(`${flags.json === true ? asJson(verified, {}) : summary(verified)}\n`);
    if (verified.some(({ bad }) => bad.length > 0)) process.exitCode = 1;
  } finally {
    await cache?.close();
  }
}

export function define(program: Command): void {
  program
    .command('verify')
    .summary('check cached bytes against their checksums')
    .description(
      'Reads what is cached, of all entries or of those named, and holds it against the recorded checksums. Exits with 1 when something was bad, repaired or not.',
    )
    .argument('[entry...]', ENTRY_HELP)
    .option('--repair', 'fetch again what is bad')
    .option('--json', 'print JSON')
    .addOption(cacheDirOption())
    .addOption(configOption())
    .action(verify);
}
