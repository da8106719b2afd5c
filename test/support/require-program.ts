import { findProgram, PACKAGE_OF, type Program } from '../../scripts/debian-packages.mjs';

/**
 * Whether all these programs are installed, for `describe.skipIf(!requirePrograms('nginx'))`. Names the package of each that
 * is not. With CI=true a missing program is an error, because a skipped test proves nothing.
 */
export function requirePrograms(...programs: Program[]): boolean {
  const missing = programs.filter((program) => findProgram(program) === undefined);
  if (missing.length === 0) return true;
  const packages = [...new Set(missing.map((program) => PACKAGE_OF[program]))].join(' ');
  const line = `${missing.join(', ')} not found: apt-get install ${packages}`;
  if (process.env.CI === 'true') throw new Error(line);
  console.warn(`Skipping: ${line}`);
  return false;
}

/** The path of a program that `requirePrograms` found. */
export function programPath(program: Program): string {
  const path = findProgram(program);
  if (path === undefined) throw new Error(`${program} not found: apt-get install ${PACKAGE_OF[program]}`);
  return path;
}
