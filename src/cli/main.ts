#!/usr/bin/env node
import { createRequire } from 'node:module';
import { Command, CommanderError } from '@commander-js/extra-typings';
import { redactedUrl } from '../core/redacted-url.ts';
import { SeekwellError } from '../errors.ts';
import { reportFailure } from './failure.ts';
import { outliveClosedOutputs } from './terminal.ts';

/** What a module of `commands/` does: adds its commands to the program. */
type Define = (program: Command) => void;

const entryActions = () => import('./commands/entry-actions.ts');

/** Each command is loaded only when it is named, so that a small one does not wait for what a large one needs. In the order of the help. */
const COMMANDS: Readonly<Record<string, () => Promise<{ readonly define: Define }>>> = {
  serve: () => import('./commands/serve.ts'),
  get: () => import('./commands/get.ts'),
  prefetch: () => import('./commands/prefetch.ts'),
  url: () => import('./commands/url.ts'),
  ls: () => import('./commands/ls.ts'),
  status: () => import('./commands/status.ts'),
  pause: entryActions,
  resume: entryActions,
  retry: entryActions,
  pin: entryActions,
  unpin: entryActions,
  rm: () => import('./commands/rm.ts'),
  gc: () => import('./commands/gc.ts'),
  verify: () => import('./commands/verify.ts'),
};

/** Commander's complaint about the command line, in our words: its name for it is on the first line, a suggestion perhaps on the next. */
function usageFailure(error: CommanderError): SeekwellError {
  const message = error.message
    .replace(/^error: /, '')
    .replace(/\s*\n\s*/g, ' ')
    .replace(/\.$/, '')
    .replace(/https?:\/\/[^\s']+/gi, redactedUrl);
  return new SeekwellError('BAD_OPTION', message, { hint: 'See seekwell --help.', cause: error });
}

async function buildProgram(args: readonly string[]): Promise<Command> {
  const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };
  const program = new Command('seekwell')
    .description('A progressive media cache between a player and a remote HTTP origin.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .exitOverride()
    // What is wrong is said once, by `reportFailure`.
    .configureOutput({ writeErr: () => {}, outputError: () => {} });
  const named = args[0] === undefined ? undefined : COMMANDS[args[0]];
  const needed = args[0] === '-V' || args[0] === '--version' ? [] : named === undefined ? [...new Set(Object.values(COMMANDS))] : [named];
  for (const { define } of await Promise.all(needed.map((load) => load()))) define(program);
  return program;
}

async function run(args: readonly string[]): Promise<number> {
  try {
    const program = await buildProgram(args);
    if (args.length === 0) {
      process.stderr.write(program.helpInformation());
      return 2;
    }
    await program.parseAsync(args, { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportFailure(error);
    // Help and version are printed by commander, which throws to end there.
    return error.exitCode === 0 ? 0 : reportFailure(usageFailure(error));
  }
}

outliveClosedOutputs();
// The engine's timers keep no process alive; a command lives until it is done.
const alive = setInterval(() => {}, 2 ** 30);
process.exitCode = await run(process.argv.slice(2));
clearInterval(alive);
