import { ensureBuilt, ensureInstalled } from './setup.mjs';
import { runMember } from './soak/member.mjs';
import { runSoak } from './soak/run.mjs';

// `npm run soak -- [--processes N] [--seconds N]`: that many processes on one cache folder, each doing at random what users do, some killed with -9, for
// that long. Every byte is compared with the origin's. Prints what was done in one line of JSON; exits 1 when anything happened that must not.

const args = process.argv.slice(2);
if (args[0] === 'member') await runMember(JSON.parse(String(args[1])));
else {
  const options = { processes: numberOf('--processes', 16), seconds: numberOf('--seconds', 60) };
  await ensureInstalled();
  await ensureBuilt();
  process.exitCode = await runSoak(options);
}

/** @param {string} name @param {number} fallback */
function numberOf(name, fallback) {
  const at = args.indexOf(name);
  if (at === -1) return fallback;
  const value = Number(args[at + 1]);
  if (Number.isInteger(value) && value > 0) return value;
  console.error(`${name} takes a whole number above 0.`);
  process.exit(2);
}
