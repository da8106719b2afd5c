import { readFileSync } from 'node:fs';
import { register } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import ts from 'typescript';

// `node --import ./scripts/typescript-loader.mjs FILE.ts` runs TypeScript with every version of Node that Seekwell supports: types are taken out, nothing
// is checked.

// Node runs hooks in a thread of their own, from this same file.
if (isMainThread) register(import.meta.url);

/** @param {string} url @param {{ format?: string }} context @param {(url: string, context: object) => Promise<object>} next */
export async function load(url, context, next) {
  if (!url.startsWith('file:') || !url.endsWith('.ts')) return next(url, context);
  const { outputText: source } = ts.transpileModule(readFileSync(fileURLToPath(url), 'utf8'), {
    fileName: fileURLToPath(url),
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023, inlineSourceMap: true, verbatimModuleSyntax: true },
  });
  return { format: 'module', source, shortCircuit: true };
}
