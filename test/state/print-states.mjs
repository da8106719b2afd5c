// What another process computes: prints the state of every entry of a database, as JSON, at the moment given. Run by two-processes.test.ts.
import { systemClock } from '#seekwell/clock';
import { SqliteRepository } from '#seekwell/repository/sqlite/sqlite-repository';
import { StateComputer } from '#seekwell/state-computer';

const [path = '', now = ''] = process.argv.slice(2);
const repository = await SqliteRepository.open({ path, owner: 'the other process' });
const states = new StateComputer(repository, { ...systemClock, now: () => Number(now) });
const { entries } = await repository.entriesWithState({ limit: 1_000 }, Number(now));
const infos = [];
for (const { entry } of entries) infos.push(await states.state(entry));
await repository.close();
process.stdout.write(JSON.stringify(infos));
