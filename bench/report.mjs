import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { chart } from './chart.mjs';
import { COLUMNS } from './figures.mjs';
import * as programs from './programs.mjs';

// What came out, for people: a table on stdout, and RESULTS.md with a picture.

/** @typedef {import('./figures.mjs').Figure} Figure */

const HEAD = ['what', 'to reach', 'Seekwell', 'nginx', 'rclone', 'origin', 'ratio', ''];

/** @param {Figure[]} figures */
export function printTable(figures) {
  const rows = [HEAD, ...figures.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => String(row[column]).length)));
  for (const row of rows)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
}

/** Writes RESULTS.md and results.svg beside this file. @param {Figure[]} figures @param {string} command what was run */
export function writeReport(figures, command) {
  writeFileSync(new URL('results.svg', import.meta.url), chart(figures.flatMap(({ bars }) => (bars === null ? [] : [bars]))));
  writeFileSync(new URL('RESULTS.md', import.meta.url), document(figures, command));
}

/** @param {Figure} figure */
function cells({ what, reach, columns, ratio, ok }) {
  return [what, reach, ...COLUMNS.map((column) => columns[column] ?? ''), ratio, ok === null ? '' : ok ? 'yes' : 'NO'];
}

/** @param {Figure[]} figures @param {string} command */
function document(figures, command) {
  const table = [HEAD, HEAD.map(() => '---'), ...figures.map(cells)].map((row) => `| ${row.join(' | ')} |`).join('\n');
  return `# Results

\`${command}\` on ${new Date().toISOString().slice(0, 10)}, Seekwell beside nginx (\`slice 1m; proxy_cache\`) and rclone (\`serve http --vfs-cache-mode full\`).
This file and the picture are written by that command.

![What each reaches of the best of the three](results.svg)

${table}

| | |
| --- | --- |
${machine()
  .map(([name, value]) => `| ${name} | ${value} |`)
  .join('\n')}

## Method

Every figure is taken by \`${command}\`, from outside: real processes on the loopback interface, started as their users start them, each on a cache of its own that was
empty at the start of its part. The same work goes to all of them in turn, several rounds in changing order, and each value is the median of its rounds: compare the columns of a row,
not rows of two runs. The fast origin is nginx with a file of random bytes; the limited one is \`bench/origin-server.mjs\`, which gives each connection its rate from the first byte on, with
\`bench/delay-link.mjs\` before it where there is a round trip time: half of it each way for every byte, and one whole for each new connection. Before a seek "on new connections" everybody's idle
connections to the origin are ended, so that Seekwell and its peers have to connect as the direct client does. Ranges are read by wrk with kept-alive connections, whole files by curl from
a fast origin and else by a reader that compares every byte. CPU time and memory are the kernel's numbers for the server and its children. "origin" is the same work without a cache between.
`;
}

/** @returns {[string, string][]} */
function machine() {
  const model = cpus()[0]?.model.trim() ?? 'unknown';
  const nginx = /nginx\/(\S+)/.exec(programs.output('nginx', ['-v']))?.[1];
  const rclone = /rclone v(\S+)/.exec(programs.output('rclone', ['version']))?.[1];
  const wrk = /^wrk (\S+)/.exec(programs.output('wrk', ['-v']))?.[1];
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return [
    ['processor', `${model}, ${cpus().length} cores`],
    ['memory', `${Math.round(totalmem() / 2 ** 30)} GiB`],
    ['kernel', `${process.platform} ${release()}`],
    ['Seekwell', `${version} on Node ${process.versions.node}`],
    ['peers', `nginx ${nginx ?? 'not installed'}, rclone ${rclone ?? 'not installed'}`],
    ['load', `wrk ${wrk ?? 'not installed'}, curl`],
  ];
}
