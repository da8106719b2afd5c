// Opens a database, adds an entry of its own and prints how many there are. Run several times at once by migrations.test.ts.
import { SqliteRepository } from '#seekwell/repository/sqlite/sqlite-repository';

const [path = '', name = ''] = process.argv.slice(2);
const repository = await SqliteRepository.open({ path, owner: name });
const key = { sourceId: 'url', mediaId: name, quality: 'original', filename: null, filePath: `files/${name}` };
await repository.addEntry({ ...key, originalUrl: '', requestHeaders: {}, fillAllowed: true, pinned: false }, 1);
const { entries } = await repository.statistics();
await repository.close();
process.stdout.write(String(entries));
