import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { run } from '../support/child-process.ts';

const SOAK = fileURLToPath(new URL('../../scripts/soak/run.mjs', import.meta.url));

test('four processes on one folder do at random what users do: no wrong byte, no error but expected ones', async () => {
  const program = `import(${JSON.stringify(SOAK)}).then(async (soak) => { process.exitCode = await soak.runSoak({ processes: 4, seconds: 5 }); })`;
  const { code, stdout, stderr } = await run(process.execPath, ['-e', program]);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  const told = JSON.parse(stdout);
  expect(told).toMatchObject({ failures: 0, checkedBytes: told.recordedBytes });
  expect(told.killed).toBeGreaterThan(0);
  expect(told.done.read).toBeGreaterThan(10);
}, 60_000);
