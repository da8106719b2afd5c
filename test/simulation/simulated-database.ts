import { SeekwellError } from '#seekwell/errors';
import type { PendingRow } from '#seekwell/repository/cache-repository';
import { openConnection, prepareDatabase } from '#seekwell/repository/sqlite/open-database';
import type { SqliteConnection, SqliteDriver, SqliteStatement } from '#seekwell/repository/sqlite/sqlite-driver';
import { type Committer, SqliteRepository } from '#seekwell/repository/sqlite/sqlite-repository';
import { SqliteWriter, type WriteCall } from '#seekwell/repository/sqlite/sqlite-writer';
import type { WriteArguments, WriteName, WriteResult } from '#seekwell/repository/sqlite/write-table';
import { PlainDatabase, type PlainStatement, type Value } from '../../scripts/plain-database.mjs';
import { type Image, Tables } from './database-image.ts';
import type { Life, Scheduler } from './scheduler.ts';
import type { SeededRandom } from './seeded-random.ts';

/** So many commits may be lost at once: more, and the write-ahead log was checkpointed, which is durable. */
const MAX_UNSAVED = 12;
/** What SQLite calls a database without a file. */
const MEMORY = ':memory:';
const TABLES = ['cache_entries', 'cache_trash', 'cache_servers', 'cache_quality_variants'];

/** How the database behaves at the moment. Probabilities of one transaction. */
export interface DatabaseWeather {
  readonly busy: number;
  readonly full: number;
  /** The most milliseconds between a change's call and its commit, and between that and its answer. */
  readonly latency: number;
}

export const FAIR_DATABASE: DatabaseWeather = { busy: 0, full: 0, latency: 3 };

/** Puts something between the repository and the database: how planted bugs come in. */
export type WrapCommitter = (committer: Committer, database: SimulatedDatabase) => Committer;

/** Wrong SQL: how planted bugs come into the database. */
export interface WrongSql {
  /** Changes a statement before it is prepared. */
  readonly rewrite?: (sql: string) => string;
  /** Changes the schema. */
  readonly schema?: string;
  /** Removals wait for the disk no more than other commits do. */
  readonly forgetsRemovals?: boolean;
}

/** What one simulated process has open. Lives on for the process of the next simulation that has the same name. */
interface Slot {
  readonly repository: SimulatedRepository;
  readonly writer: SqliteWriter;
  readonly thread: SimulatedCommitThread;
}

/** What a simulation gives its database. */
export interface DatabaseSurroundings {
  readonly scheduler: Scheduler;
  readonly random: SeededRandom;
  /** Power cuts will come. */
  readonly losesPower: boolean;
  /** Called after each commit. */
  readonly committed: () => void;
  readonly log: (line: string) => void;
}

function sqliteError(code: string): Error {
  return Object.assign(new Error(`simulated ${code}`), { code });
}

/**
 * The database file of the simulated machine, on the real engine with the real SQL. Commits of connections that do not wait for the disk may be taken back
 * by a power cut, the latest first, up to the last one that did wait.
 *
 * All connections are one, in memory: in one thread no transaction of one meets a question of another, so that they could not tell the difference, and files
 * with their locks, and caches that each commit empties, took half of all simulated time.
 */
export class SimulatedDatabase {
  readonly #wrong: WrongSql;
  readonly #slots = new Map<number, Slot>();
  readonly #driver: SqliteDriver = { open: () => this.#connection() };
  readonly #look = new PlainDatabase(MEMORY);
  /** By what the product asked for. */
  readonly #statements = new Map<string, SqliteStatement>();
  readonly #questions = new Map<string, PlainStatement<unknown>>();
  readonly #changes = this.#look.prepare<{ n: number }>('SELECT total_changes() AS n');
  #now: DatabaseSurroundings | null = null;
  /** What the file would hold after a power cut: any of these. */
  #images: Image[] = [];
  /** Of a database that has its schema. */
  #made: Tables | null = null;
  /** Another number after each commit that changed something: what `PRAGMA data_version` says to whoever only reads. */
  #version = 1;
  #counted: number | undefined;
  #seen = '';
  weather: DatabaseWeather = FAIR_DATABASE;
  watchers: { readonly life: Life; readonly changed: () => void }[] = [];

  private constructor(wrong: WrongSql) {
    this.#wrong = wrong;
  }

  static async open(wrong: WrongSql = {}): Promise<SimulatedDatabase> {
    const database = new SimulatedDatabase(wrong);
    await prepareDatabase(database.#driver, MEMORY);
    database.#look.exec(wrong.schema ?? '');
    database.#made = new Tables(database.#look);
    return database;
  }

  get #tables(): Tables {
    if (this.#made === null) throw new Error('the database has no tables yet');
    return this.#made;
  }

  /** The first row that `sql` finds. */
  ask(sql: string, ...params: Value[]): unknown {
    let statement = this.#questions.get(sql);
    if (statement === undefined) {
      statement = this.#look.prepare(sql);
      this.#questions.set(sql, statement);
    }
    return statement.get(...params);
  }

  /** A connection to look with. */
  get look(): PlainDatabase {
    return this.#look;
  }

  /** Empties it for another simulation. */
  begin(surroundings: DatabaseSurroundings): void {
    this.#now = surroundings;
    this.weather = FAIR_DATABASE;
    this.watchers = [];
    this.#look.exec(`PRAGMA foreign_keys = ON; ${TABLES.map((table) => `DELETE FROM ${table};`).join(' ')} DELETE FROM sqlite_sequence`);
    this.#noteChanges();
    this.#images = surroundings.losesPower ? [this.#tables.image()] : [];
  }

  /** The repository of process number `number`, which lives as long as `life`. */
  connect(number: number, life: Life, wrap: WrapCommitter): SqliteRepository {
    // One whose process was killed while it closed takes nothing any more.
    if (this.#slots.get(number)?.repository.closing === true) this.forget(number);
    const slot = this.#slots.get(number) ?? this.#openSlot(number);
    slot.thread.begin(this, this.#surroundings, life, wrap(slot.thread, this));
    slot.repository.begin(this, life, slot.thread);
    return slot.repository;
  }

  /** All that is committed is on the disk: a machine that is switched off in order writes everything first. */
  switchOff(): void {
    if (this.#surroundings.losesPower) this.#images = [this.#tables.image()];
  }

  /** Some of the last commits never were. Everybody who had it open is dead. */
  cutPower(): number {
    const kept = this.#surroundings.random.between(0, this.#images.length - 1);
    const lost = this.#images.length - 1 - kept;
    this.#giveBack();
    if (lost > 0) this.#tables.restore(this.#images[kept] as Image);
    this.#noteChanges();
    this.#images = [this.#images[kept] as Image];
    this.watchers = [];
    return lost;
  }

  forget(number: number): void {
    const slot = this.#slots.get(number);
    slot?.writer.close();
    this.#slots.delete(number);
  }

  #giveBack(): void {
    for (const { writer } of this.#slots.values()) writer.close();
    this.#slots.clear();
  }

  close(): void {
    this.#giveBack();
    this.#look.close();
  }

  get #surroundings(): DatabaseSurroundings {
    if (this.#now === null) throw new Error('no simulation has begun');
    return this.#now;
  }

  #openSlot(number: number): Slot {
    const writer = new SqliteWriter(this.#driver, MEMORY, processName(number));
    const thread = new SimulatedCommitThread(writer, number);
    const repository = new SimulatedRepository(openConnection(this.#driver, MEMORY, 'read'), thread.front);
    const slot = { repository, writer, thread };
    this.#slots.set(number, slot);
    return slot;
  }

  /** A connection, with transactions that fail as the weather has it, and commits that are noticed. */
  #connection(): SqliteConnection {
    /** What it is used for: the first that is said. */
    let use: string | null = null;
    return {
      prepare: (sql) => this.#prepare(sql),
      exec: (sql) => {
        if (use === null) {
          use = sql;
          // What only one of several connections wants is not said to the one that there is.
          this.#look.exec(sql.replaceAll(/PRAGMA (query_only|synchronous) = \w+;/g, ''));
          return;
        }
        const random = this.#now?.random;
        if (sql === 'BEGIN IMMEDIATE' && random?.chance(this.weather.busy)) throw sqliteError('SQLITE_BUSY');
        if (sql === 'COMMIT' && random?.chance(this.weather.full)) throw sqliteError('SQLITE_FULL');
        this.#look.exec(sql);
        if (sql === 'COMMIT' && this.#now !== null)
          this.#committed(use.includes('synchronous = FULL') && this.#wrong.forgetsRemovals !== true);
      },
      close: () => {},
    };
  }

  #prepare(sql: string): SqliteStatement {
    if (sql === 'PRAGMA data_version') return this.#dataVersion;
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const real = this.#look.prepare(this.#wrong.rewrite?.(sql) ?? sql);
    const statement: SqliteStatement = {
      get: (params) => (params === undefined ? real.get() : real.get(params)),
      all: (params) => (params === undefined ? real.all() : real.all(params)),
      run: (params) => ({ changes: Number(((params === undefined ? real.run() : real.run(params)) as { changes: number }).changes) }),
    };
    this.#statements.set(sql, statement);
    return statement;
  }

  readonly #dataVersion: SqliteStatement = {
    get: () => ({ data_version: this.#version }),
    all: () => [{ data_version: this.#version }],
    run: () => ({ changes: 0 }),
  };

  /** What the database holds now; null: what it held at the last call. */
  #noteChanges(): Image | null {
    const changes = this.#changes.get()?.n;
    if (changes === this.#counted) return null;
    this.#counted = changes;
    // Also counted: what was taken back, and what was set to what it was. Neither of them writes a page.
    const image = this.#tables.image();
    const seen = JSON.stringify(image);
    if (seen === this.#seen) return null;
    this.#seen = seen;
    this.#version++;
    return image;
  }

  #committed(durable: boolean): void {
    const { losesPower, committed } = this.#surroundings;
    // A transaction that changed nothing writes nothing.
    const image = this.#noteChanges();
    if (image === null) return;
    if (losesPower) {
      if (durable) this.#images = [];
      this.#images.push(image);
      if (this.#images.length > MAX_UNSAVED) this.#images.shift();
    }
    committed();
  }
}

/** What process number `number` is called in leases. */
export function processName(number: number): string {
  return `simulated:boot:${number}:0:0`;
}

interface Waiting {
  readonly call: WriteCall;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: SeekwellError) => void;
}

/** Stands in for the commit thread: takes all that is queued, in one transaction, and answers later. A death may come at any point of that. */
class SimulatedCommitThread implements Committer {
  /** What the repository talks to. */
  readonly front: Committer;
  readonly #writer: SqliteWriter;
  readonly #number: number;
  #database: SimulatedDatabase | null = null;
  #surroundings: DatabaseSurroundings | null = null;
  #life: Life = { alive: false };
  #wrapped: Committer = this;
  #queue: Waiting[] = [];
  #busy = false;
  #closed = false;
  #id = 0;

  constructor(writer: SqliteWriter, number: number) {
    this.#writer = writer;
    this.#number = number;
    this.front = {
      call: (name, ...args) => this.#wrapped.call(name, ...args),
      close: () => this.#wrapped.close(),
    };
  }

  begin(database: SimulatedDatabase, surroundings: DatabaseSurroundings, life: Life, wrapped: Committer): void {
    this.#database = database;
    this.#surroundings = surroundings;
    this.#life = life;
    this.#wrapped = wrapped;
    this.#queue = [];
    this.#busy = false;
    this.#closed = false;
  }

  call<Name extends WriteName>(name: Name, ...args: WriteArguments<Name>): Promise<WriteResult<Name>> {
    if (this.#closed) return Promise.reject(new SeekwellError('CLOSED', 'the cache is closed'));
    return new Promise((resolve, reject) => {
      this.#queue.push({ call: { id: ++this.#id, name, args }, resolve: resolve as (result: unknown) => void, reject });
      this.#work();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    while (this.#busy) await new Promise<void>((resolve) => this.#later(resolve));
  }

  #work(): void {
    if (this.#busy || this.#queue.length === 0) return;
    this.#busy = true;
    this.#later(() => {
      const taken = this.#queue.splice(0);
      const replies = this.#writer.run(taken.map(({ call }) => call));
      this.#later(() => {
        this.#busy = false;
        for (const reply of replies) {
          const waiting = taken.find(({ call }) => call.id === reply.id);
          const { name, args } = (waiting as Waiting).call;
          this.#surroundings?.log(
            `${this.#number} ${name} ${JSON.stringify(args)}: ${JSON.stringify(reply.ok ? reply.result : reply.code)}`,
          );
          if (reply.ok) waiting?.resolve(reply.result);
          else waiting?.reject(new SeekwellError(reply.code, reply.message));
        }
        this.#work();
      });
    });
  }

  #later(run: () => void): void {
    const { scheduler, random } = this.#surroundings as DatabaseSurroundings;
    scheduler.after(random.fraction() * (this.#database?.weather.latency ?? 0), this.#life, run);
  }
}

/** The real repository, except that who watches the database is told by the simulation. */
class SimulatedRepository extends SqliteRepository {
  readonly #hasWork: SqliteStatement;
  #database: SimulatedDatabase | null = null;
  #life: Life = { alive: false };
  /** It was told to close. */
  closing = false;

  constructor(connection: SqliteConnection, committer: Committer) {
    super(connection, committer);
    this.#hasWork = connection.prepare('SELECT EXISTS (SELECT 1 FROM cache_download_queue WHERE leased_by IS NULL) AS n');
  }

  /** An empty queue is found to be empty in a fraction of the time: a third of all simulated time went into that. */
  override async pendingWork(limit: number, now: number): Promise<PendingRow[]> {
    return (this.#hasWork.get() as { n: number }).n === 0 ? [] : super.pendingWork(limit, now);
  }

  begin(database: SimulatedDatabase, life: Life, _thread: Committer): void {
    this.#database = database;
    this.#life = life;
  }

  override watch(changed: () => void): () => void {
    const watcher = { life: this.#life, changed };
    const database = this.#database as SimulatedDatabase;
    database.watchers.push(watcher);
    return () => {
      database.watchers = database.watchers.filter((one) => one !== watcher);
    };
  }

  override async close(): Promise<void> {
    this.closing = true;
    await super.close();
  }
}
