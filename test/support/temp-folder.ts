import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, onTestFinished } from 'vitest';

/**
 * Runs `cleanUp` when the running test ends, however it ends. Outside of a test (in `beforeAll`, in a benchmark) it does nothing, and
 * whoever started something stops it.
 * @returns whether it will run
 */
export function afterThisTest(cleanUp: () => unknown): boolean {
  try {
    onTestFinished(async () => {
      await cleanUp();
    });
    return true;
  } catch {
    return false;
  }
}

/** Removes a folder with everything in it. Retries, since a process that was just killed may still be writing there. */
async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

async function makeFolder(name: string): Promise<string> {
  // The real path: a program that reports one does not know the symbolic link in front of it (macOS).
  return await realpath(await mkdtemp(join(tmpdir(), `seekwell-${name}-`)));
}

/** A new empty folder that is gone after the running test. */
export async function temporaryFolder(name = 'test'): Promise<string> {
  const folder = await makeFolder(name);
  if (!afterThisTest(() => removeFolder(folder))) {
    await removeFolder(folder);
    throw new Error('temporaryFolder() works within a test; use suiteFolder() elsewhere');
  }
  return folder;
}

/** For what several tests share: call it where they are described. The folder is made at the first call and gone after the last test. */
export function suiteFolder(name = 'suite'): () => Promise<string> {
  let made: Promise<string> | null = null;
  afterAll(async () => {
    if (made !== null) await removeFolder(await made);
  });
  return () => (made ??= makeFolder(name));
}
