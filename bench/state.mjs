import { systemClock } from '#seekwell/clock';
import { SqliteRepository } from '#seekwell/repository/sqlite/sqlite-repository';
import { StateComputer } from '#seekwell/state-computer';
import { PlainDatabase } from '../scripts/plain-database.mjs';
import { median, milliseconds, times } from './figures.mjs';
import { makeCache } from './large-caches.mjs';
import { SEEKWELL } from './peers.mjs';
import { newFolder, printed, removeFolder, start } from './started-things.mjs';

// What it costs that states are computed each time, and that nothing is loaded at the start.

export const title = 'computed states, and starting on a large cache';

/** @param {import('./figures.mjs').BenchOptions} options @returns {Promise<import('./figures.mjs').Figure[]>} */
export async function run({ quick }) {
  return [...(await oneEntry(quick ? 50 : 500)), ...(await manyEntries(quick ? 10 : 50)), await readyToServe(quick)];
}

/** @param {string} what @param {number} reach milliseconds @param {number} value milliseconds @returns {import('./figures.mjs').Figure} */
function figure(what, reach, value) {
  return {
    what,
    reach: `${reach} ms`,
    columns: { seekwell: precisely(value) },
    ratio: times(value / reach, 'the reach'),
    ok: value <= reach,
    bars: null,
  };
}

/** @param {number} value */
function precisely(value) {
  return value < 10 ? `${value.toFixed(2)} ms` : milliseconds(value);
}

/** The median of so many runs, in milliseconds, after one that nobody counts. @param {number} rounds @param {() => unknown} work */
async function measured(rounds, work) {
  /** @type {number[]} */
  const samples = [];
  for (let round = -1; round < rounds; round++) {
    const begin = performance.now();
    await work();
    if (round >= 0) samples.push(performance.now() - begin);
  }
  return median(samples);
}

/** @param {number} rounds */
async function oneEntry(rounds) {
  const folder = newFolder('one-entry');
  const path = await makeCache(folder, { entries: 1, spans: 10_000, rows: 0 });
  const repository = await SqliteRepository.open({ path, owner: 'bench' });
  const states = new StateComputer(repository, systemClock);
  const key = { sourceId: 'url', mediaId: 'media-1', quality: 'original' };
  const { spanCount } = await states.state(key);
  if (spanCount !== 10_000) throw new Error(`the entry has ${spanCount} spans`);
  const value = await measured(rounds, () => states.state(key));
  await repository.close();
  removeFolder(folder);
  return [figure('state of one entry with 10,000 spans', 1, value)];
}

/** @param {number} rounds */
async function manyEntries(rounds) {
  const folder = newFolder('many-entries');
  const path = await makeCache(folder, { entries: 10_000, spans: 10, rows: 100 });
  const repository = await SqliteRepository.open({ path, owner: 'bench' });
  const database = new PlainDatabase(path, { readonly: true });
  const all = database.prepare('SELECT * FROM cache_entry_states');
  const states = database.prepare('SELECT cache_entry_id, state FROM cache_entry_states');
  const figures = [
    figure('states of 10,000 entries, each 10 spans and 100 rows, with all counts', 100, await measured(rounds, () => all.all())),
    figure('the same, states alone', 100, await measured(rounds, () => states.all())),
  ];
  for (const sort of /** @type {const} */ (['id', 'lastAccessed', 'name'])) {
    const value = await measured(rounds * 5, () => repository.entriesWithState({ limit: 100, sort }, Date.now()));
    figures.push(figure(`a page of 100 of them, by ${sort}`, 2, value));
  }
  database.close();
  await repository.close();
  removeFolder(folder);
  return figures;
}

/** From the start of the process to its line on stdout. @param {string} folder */
async function startingTime(folder) {
  const begin = performance.now();
  const daemon = start(process.execPath, [SEEKWELL, 'serve', '--port', '0', '--cache-dir', folder, '--max-size', 'unlimited']);
  await printed(daemon, /listening on http\S+/);
  const value = performance.now() - begin;
  await daemon.stop();
  return value;
}

/** @param {boolean} quick @returns {Promise<import('./figures.mjs').Figure>} */
async function readyToServe(quick) {
  const [empty, large] = [newFolder('empty-cache'), newFolder('large-cache')];
  await makeCache(empty, { entries: 0, spans: 0, rows: 0 });
  await makeCache(large, { entries: 100_000, spans: 10, rows: 0, files: true });
  /** @type {Map<string, number[]>} */
  const samples = new Map([
    [empty, []],
    [large, []],
  ]);
  for (let round = -1; round < (quick ? 7 : 25); round++) {
    for (const folder of round % 2 === 0 ? [empty, large] : [large, empty]) {
      const value = await startingTime(folder);
      if (round >= 0) samples.get(folder)?.push(value);
    }
  }
  const [ofEmpty, ofLarge] = [median(samples.get(empty) ?? []), median(samples.get(large) ?? [])];
  for (const folder of [empty, large]) removeFolder(folder);
  const ratio = ofLarge / ofEmpty;
  return {
    what: 'ready to serve, cache of 100,000 entries and 1,000,000 spans, over an empty one',
    reach: '1.1x',
    columns: { seekwell: `${milliseconds(ofLarge)}, ${milliseconds(ofEmpty)}` },
    ratio: times(ratio),
    ok: ratio <= 1.1,
    bars: null,
  };
}
