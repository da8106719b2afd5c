import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import ts from 'typescript';
import { root } from './setup.mjs';

// The rules of the house that no linter knows. Prints one line for each breach, and exits 1 when there is one.

const maxFileLines = 400;
const maxFunctionLines = 70;
const code = /^(?:src|test|bench|scripts|dashboard)\/.*\.(?:ts|tsx|js|mjs|cjs)$/;
const vagueName = /(?:^|-)(?:utils?|helpers?|common)(?:\.|$)/;
const kebabCase = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+)*$/;
const leftovers = /\.(?:only|skip)\(|^\s*debugger\b|\b(?:FIXME|XXX|TODO)\b/;
const aroundTheName = /\b(?:from|import)\s*\(?\s*['"](?:\.\.\/)+(?:src|dist)\//;
// Where the machine that somebody works on keeps things: no file of the project may know that.
const machinePath = new RegExp(`(?<![\\w./~*-])/(?:${['work', 'root', 'home'].join('|')})(?![\\w-])`);

process.chdir(root);
/** @type {string[]} */
const breaches = [];

for (const file of projectFiles()) {
  const text = readFileSync(file, 'utf8');
  if (text.includes('\0')) continue;
  eachLine(file, text, machinePath, 'holds a path of one machine');
  if (file === 'package-lock.json')
    eachLine(file, text, /"resolved": "http/, 'names a registry: see omit-lockfile-registry-resolved in .npmrc');
  if (!code.test(file)) continue;
  checkNames(file);
  if (/^(?:src|test|bench)\//.test(file)) eachLine(file, text, leftovers, 'was left over');
  if (/^(?:test|bench)\//.test(file)) eachLine(file, text, aroundTheName, 'reaches the product by path: import it as #seekwell/...');
  if (file.startsWith('src/')) checkLengths(file, text);
}

for (const breach of breaches) console.error(breach);
process.exitCode = breaches.length > 0 ? 1 : 0;

/** What git has or would add, as paths from the root. Where there is no repository, all that is not made by set-up. */
function projectFiles() {
  const git = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' });
  if (git.status === 0) return git.stdout.split('\0').filter((file) => existsSync(file) && statSync(file).isFile());
  const made = new Set(['.git', 'node_modules', 'dist', 'coverage']);
  return readdirSync('.', { withFileTypes: true }).flatMap((item) => {
    if (item.isFile()) return [item.name];
    return made.has(item.name)
      ? []
      : readdirSync(item.name, { recursive: true, withFileTypes: true })
          .filter((file) => file.isFile())
          .map((file) => join(file.parentPath, file.name));
  });
}

/** @param {string} file @param {string} text @param {RegExp} pattern @param {string} complaint */
function eachLine(file, text, pattern, complaint) {
  text.split('\n').forEach((line, index) => {
    const match = pattern.exec(line);
    if (match) breaches.push(`${file}:${index + 1}: ${match[0].trim()} ${complaint}`);
  });
}

/** @param {string} file */
function checkNames(file) {
  for (const name of file.split('/')) {
    if (!kebabCase.test(name)) breaches.push(`${file}: ${name} is not in kebab-case`);
    if (file.startsWith('src/') && vagueName.test(name)) breaches.push(`${file}: ${name} says nothing: name it after what it does`);
  }
}

/** @param {string} file @param {string} text */
function checkLengths(file, text) {
  const lines = text.replace(/\n$/, '').split('\n').length;
  if (lines > maxFileLines) breaches.push(`${file}: ${lines} lines, at most ${maxFileLines}`);
  const source = ts.createSourceFile(basename(file), text, ts.ScriptTarget.ESNext, true);
  /** @param {ts.Node} node */
  const visit = (node) => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body) {
      const [first, last] = [node.body.getStart(source), node.body.getEnd()].map((at) => source.getLineAndCharacterOfPosition(at).line);
      const length = Number(last) - Number(first) + 1;
      if (length > maxFunctionLines) {
        const name = node.name?.getText(source) ?? 'function';
        breaches.push(`${file}:${Number(first) + 1}: ${name} has ${length} lines, at most ${maxFunctionLines}`);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
}
