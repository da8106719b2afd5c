import { SeekwellError } from '../../errors.ts';
import { type EntryPage, type EntryQuery, type EntrySort, type EntryWithState, LEASE_MS } from '../cache-repository.ts';
import { ENTRY_COLUMNS, type RawEntry, type RawState, toEntry, toState } from './rows.ts';
import type { SqliteConnection, SqliteParams, SqliteStatement, SqliteValue } from './sqlite-driver.ts';

interface Order {
  readonly column: string;
  readonly descending: boolean;
}

/** The column of each order, and which way it runs. Ties are broken by id, in the same direction. */
const ORDERS: Readonly<Record<EntrySort, Order>> = {
  id: { column: 'e.id', descending: false },
  lastAccessed: { column: 'e.last_accessed', descending: true },
  createdAt: { column: 'e.created_at', descending: true },
  name: { column: 'COALESCE(e.filename, e.media_id)', descending: false },
};

const MAX_LIMIT = 1_000;

type RawListed = RawEntry & RawState & { is_active: number; sort_value: SqliteValue };

function cursorOf(row: RawListed): string {
  return Buffer.from(JSON.stringify([row.sort_value, row.id])).toString('base64url');
}

function readCursor(cursor: string): { value: SqliteValue; id: number } {
  try {
    const [value, id] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as [SqliteValue, number];
    if (Number.isSafeInteger(id) && (typeof value === 'string' || typeof value === 'number')) return { value, id };
  } catch {
    // Falls through to the one answer for every cursor that is not ours.
  }
  throw new SeekwellError('BAD_REQUEST', 'the cursor is not one of a page before');
}

function likePattern(search: string): string {
  return `%${search.replace(/[\\%_]/g, (character) => `\\${character}`)}%`;
}

/** A row of the statements below. */
interface Packed {
  readonly listed: string;
}

/** What is listed of the entry `e`: its columns, next to those of the view, and whether a row of it is being fetched. */
const LISTED: readonly (readonly [name: keyof RawListed, sql: string])[] = [
  ...ENTRY_COLUMNS.map((name) => [name, `e.${name}`] as const),
  ['cache_entry_id', 'e.id'],
  ...(['state', 'downloaded_bytes', 'span_count', 'pending_chunks'] as const).map((name) => [name, `v.${name}`] as const),
  [
    'is_active',
    `EXISTS (SELECT 1 FROM cache_download_queue q WHERE q.cache_entry_id = e.id AND q.leased_by IS NOT NULL
    AND q.lease_until BETWEEN $live_from AND $live_to)`,
  ],
];

const NAMES: readonly string[] = [...LISTED.map(([name]) => name), 'sort_value'];

/** All of it as one value: the row of thirty columns, made into an object one by one, costs as much as finding it does (`npm run bench -- state`). */
function select(sortValue: string): string {
  return `SELECT json_array(${LISTED.map(([, sql]) => sql).join(', ')}, ${sortValue}) AS listed`;
}

function unpack({ listed }: Packed): RawListed {
  const values = JSON.parse(listed) as SqliteValue[];
  const raw: Record<string, SqliteValue> = {};
  for (let index = 0; index < NAMES.length; index++) raw[NAMES[index] as string] = values[index] ?? null;
  return raw as unknown as RawListed;
}

/** What `ENTRY_WITH_STATE` found. */
export function toEntryWithState(packed: Packed): EntryWithState {
  return withState(unpack(packed));
}

function withState(raw: RawListed): EntryWithState {
  return { entry: toEntry(raw), state: toState(raw), isActive: raw.is_active === 1 };
}

/** What entries of the list have to be, as SQL, with its parameters put into `params`. */
function conditions(query: EntryQuery, { column, descending }: Order, params: Record<string, SqliteValue>): string {
  const where: string[] = [];
  if (query.state !== undefined) {
    where.push('EXISTS (SELECT 1 FROM cache_entry_states s WHERE s.cache_entry_id = e.id AND s.state = $state)');
    params.state = query.state;
  }
  if (query.sourceId !== undefined) {
    // The plus keeps SQLite from looking entries up by source: it would sort all of them, and most entries share one source.
    where.push('+e.source_id = $source');
    params.source = query.sourceId;
  }
  if (query.search !== undefined && query.search !== '') {
    where.push(`(e.source_id || ' ' || e.media_id || ' ' || e.quality || ' ' || COALESCE(e.filename, '')) LIKE $search ESCAPE '\\'`);
    params.search = likePattern(query.search);
  }
  if (query.cursor !== undefined) {
    const { value, id } = readCursor(query.cursor);
    const after = descending ? '<' : '>';
    // Said twice, because SQLite finds the place in an index over an expression only by the first.
    where.push(`${column} ${after}= $after_value AND (${column}, e.id) ${after} ($after_value, $after_id)`);
    params.after_value = value;
    params.after_id = id;
  }
  return where.length > 0 ? `WHERE ${where.join(' AND ')}` : '';
}

/**
 * The statement for one page and its parameters. It walks the index of the order until the page is full, and computes states for what is on it. A filter
 * that hardly any entry passes makes it walk them all: that is what the user asked for.
 * @throws SeekwellError BAD_REQUEST
 */
export function pageQuery(query: EntryQuery, now: number): { sql: string; params: SqliteParams } {
  if (!Number.isInteger(query.limit) || query.limit < 1 || query.limit > MAX_LIMIT) {
    throw new SeekwellError('BAD_REQUEST', `limit must be a whole number from 1 to ${MAX_LIMIT}`);
  }
  const order = ORDERS[query.sort ?? 'id'];
  const params: Record<string, SqliteValue> = { live_from: now, live_to: now + LEASE_MS, limit: query.limit + 1 };
  const where = conditions(query, order, params);
  const direction = order.descending ? 'DESC' : 'ASC';
  const sql = `${select('p.sort_value')} FROM (
  SELECT e.id, ${order.column} AS sort_value FROM cache_entries e ${where} ORDER BY ${order.column} ${direction}, e.id ${direction} LIMIT $limit
) p CROSS JOIN cache_entries e ON e.id = p.id CROSS JOIN cache_entry_states v ON v.cache_entry_id = p.id
ORDER BY p.sort_value ${direction}, p.id ${direction}`;
  return { sql, params };
}

/** Pages of entries on one connection. Keeps the statements that it prepared: one for each order with each set of filters. */
export class EntryList {
  readonly #connection: SqliteConnection;
  readonly #statements = new Map<string, SqliteStatement>();

  constructor(connection: SqliteConnection) {
    this.#connection = connection;
  }

  /** @throws SeekwellError BAD_REQUEST */
  page(query: EntryQuery, now: number): EntryPage {
    const { sql, params } = pageQuery(query, now);
    const statement = this.#statements.get(sql) ?? this.#connection.prepare(sql);
    this.#statements.set(sql, statement);
    const rows = (statement.all(params) as Packed[]).map(unpack);
    const page = rows.slice(0, query.limit);
    const last = page.at(-1);
    return { entries: page.map(withState), nextCursor: rows.length > query.limit && last !== undefined ? cursorOf(last) : null };
  }
}

/** One entry with its state, by `$id`. */
export const ENTRY_WITH_STATE = `${select('0')} FROM cache_entries e JOIN cache_entry_states v ON v.cache_entry_id = e.id WHERE e.id = $id`;
