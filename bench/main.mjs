import { ensureBuilt, ensureInstalled } from '../scripts/setup.mjs';

// `npm run bench -- [--quick] [--full-size] [--write] [NAME...]`: measures the product as it is built, side by side with its peers, and prints a table.
// NAME is a file of this folder, without its ending; none: all of them, and the results go into RESULTS.md.
// --write writes it after some parts too.

const NAMES = [
  'seek',
  'cold',
  'distant',
  'warm',
  'ranges',
  'sharing',
  'memory',
  'state',
  'threads',
  'transport',
  'checksums',
  'durability',
  'workers',
  'neighbours',
  'survivor',
];

const args = process.argv.slice(2);
const options = { quick: args.includes('--quick'), fullSize: args.includes('--full-size') };
const chosen = args.filter((arg) => !arg.startsWith('--'));
const unknown = args.filter((arg) => (arg.startsWith('--') ? !['--quick', '--full-size', '--write'].includes(arg) : !NAMES.includes(arg)));
if (unknown.length > 0) {
  console.error(`There is no ${unknown.join(', ')}. Parts: ${NAMES.join(', ')}. Options: --quick, --full-size, --write.`);
  process.exit(2);
}

await ensureInstalled();
await ensureBuilt();
// Not before: these import the product.
const { endEverything } = await import('./started-things.mjs');
const { printTable, writeReport } = await import('./report.mjs');

/** @type {import('./figures.mjs').Figure[]} */
const figures = [];
try {
  for (const name of NAMES.filter((known) => chosen.length === 0 || chosen.includes(known))) {
    const part = await import(`./${name}.mjs`);
    console.error(`${part.title} ...`);
    try {
      figures.push(...(await part.run(options)));
    } catch (error) {
      // The others still tell something.
      console.error(`${name} failed:`, error);
      process.exitCode = 1;
    }
    await endEverything();
  }
} finally {
  await endEverything();
}
if (figures.length > 0) printTable(figures);
if (args.includes('--write') || chosen.length === 0)
  writeReport(figures, ['npm run bench', ...(args.length > 0 ? ['--', ...args] : [])].join(' '));
if (figures.some(({ ok }) => ok === false)) process.exitCode = 1;
