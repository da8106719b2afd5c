import { crc32 } from 'node:zlib';
import { rangeOfBlock } from '#seekwell/core/blocks';
import { type ByteRange, missing, normalize } from '#seekwell/core/byte-ranges';
import type { PlainDatabase } from '../../scripts/plain-database.mjs';
import type { SimulatedDatabase } from './simulated-database.ts';
import type { SimulatedDisk, SimulatedFile } from './simulated-disk.ts';
import type { SimulatedResource, Version } from './simulated-origin.ts';
import { SimulationFailure } from './simulation-failure.ts';

interface RawEntry {
  readonly id: number;
  readonly media: string;
  readonly path: string;
  readonly epoch: number;
  readonly etag: string | null;
  readonly modified: string | null;
  readonly total: number | null;
  readonly complete: number;
  readonly error: string | null;
}

interface RawRange {
  readonly entry: number;
  readonly start: number;
  readonly end: number;
  readonly owner?: string | null;
}

interface RawChecksum {
  readonly entry: number;
  readonly block: number;
  readonly crc32: number;
}

interface RawState {
  readonly id: number;
  readonly state: string;
  readonly downloaded: number;
  readonly spans: number;
  readonly pending: number;
}

/** What a user with `sqlite3` sees. */
function prepare(database: PlainDatabase) {
  const range = 'cache_entry_id AS entry, start_byte AS start, end_byte AS "end"';
  return {
    entries: database.prepare<RawEntry>(
      `SELECT id, media_id AS media, file_path AS path, epoch, etag, origin_last_modified AS modified, expected_total_size AS total,
        is_complete AS complete, error_message AS error FROM cache_entries ORDER BY id`,
    ),
    spans: database.prepare<RawRange>(`SELECT ${range} FROM cache_chunks ORDER BY cache_entry_id, start_byte`),
    rows: database.prepare<RawRange>(`SELECT ${range}, leased_by AS owner FROM cache_download_queue ORDER BY cache_entry_id, start_byte`),
    states: database.prepare<RawState>(
      `SELECT cache_entry_id AS id, state, downloaded_bytes AS downloaded, span_count AS spans, pending_chunks AS pending
        FROM cache_entry_states ORDER BY cache_entry_id`,
    ),
    checksums: database.prepare<RawChecksum>(
      'SELECT cache_entry_id AS entry, block, crc32 FROM cache_block_checksums ORDER BY cache_entry_id, block',
    ),
    sums: database.prepare<{ kept: number; trash: number }>(
      'SELECT recorded_bytes AS kept, (SELECT COALESCE(SUM(bytes), 0) FROM cache_trash) AS trash FROM cache_statistics',
    ),
  };
}

const prepared = new WeakMap<PlainDatabase, ReturnType<typeof prepare>>();

function bytesOf(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, { start, end }) => sum + end - start + 1, 0);
}

function byEntry(ranges: readonly RawRange[]): Map<number, RawRange[]> {
  const grouped = new Map<number, RawRange[]>();
  for (const range of ranges) {
    const group = grouped.get(range.entry);
    if (group === undefined) grouped.set(range.entry, [range]);
    else group.push(range);
  }
  return grouped;
}

/** The state of an entry as the contract words it, told from the tables alone. */
function stateOf(entry: RawEntry, spans: readonly RawRange[], rows: readonly RawRange[]): string {
  if (entry.complete === 1 || ((entry.total ?? 0) > 0 && bytesOf(spans) === entry.total)) return 'Complete';
  if (entry.error !== null) return 'Failed';
  if (spans.length === 0) return entry.total === 0 ? 'Initializing' : 'NotStarted';
  return rows.length > 0 ? 'Downloading' : 'Paused';
}

/** Holds database and disk against what the world knows to be true. */
export class Auditor {
  readonly #database: SimulatedDatabase;
  readonly #disk: SimulatedDisk;
  readonly #resources: readonly SimulatedResource[];
  readonly #quota: number | null;
  /** What of a file was found to be of a version, and has not been written since. */
  readonly #verified = new Map<string, { readonly version: Version; readonly ranges: ByteRange[] }>();

  constructor(database: SimulatedDatabase, disk: SimulatedDisk, resources: readonly SimulatedResource[], quota: number | null) {
    this.#database = database;
    this.#disk = disk;
    this.#resources = resources;
    this.#quota = quota;
  }

  /** @throws SimulationFailure */
  check(): void {
    const look = this.#look();
    const entries = look.entries.all();
    const spans = byEntry(look.spans.all());
    const rows = byEntry(look.rows.all());
    const states = new Map(look.states.all().map((state) => [state.id, state]));
    const checksums = look.checksums.all();
    for (const entry of entries) {
      const own = spans.get(entry.id) ?? [];
      const wanted = rows.get(entry.id) ?? [];
      const version = this.#checkSpans(entry, own);
      checkChecksums(
        checksums.filter(({ entry: id }) => id === entry.id),
        own,
        version,
      );
      this.#checkRows(entry, own, wanted);
      this.#checkState(entry, own, wanted, states.get(entry.id));
    }
    this.#checkSums([...spans.values()].flat(), [...rows.values()].flat(), look.sums.get() as { kept: number; trash: number });
  }

  /** Rows that somebody holds. */
  leases(): RawRange[] {
    return this.#look()
      .rows.all()
      .filter(({ owner }) => owner !== null);
  }

  /** Entries as they stand, with what the view says of them. */
  entries(): (RawEntry & { readonly state: string })[] {
    const look = this.#look();
    const states = new Map(look.states.all().map(({ id, state }) => [id, state]));
    return look.entries.all().map((entry) => ({ ...entry, state: states.get(entry.id) ?? '' }));
  }

  #look(): ReturnType<typeof prepare> {
    const { look } = this.#database;
    const known = prepared.get(look) ?? prepare(look);
    prepared.set(look, known);
    return known;
  }

  #checkSpans(entry: RawEntry, spans: readonly RawRange[]): Version | null {
    let before = -2;
    for (const { start, end } of spans) {
      if (start <= before + 1) throw new SimulationFailure('spans are apart', `spans of entry ${entry.id} overlap or touch at ${start}`);
      before = end;
    }
    if (spans.length === 0) return null;
    if (entry.total !== null && entry.total > 0 && before >= entry.total)
      throw new SimulationFailure('spans are apart', `a span of entry ${entry.id} ends at ${before}, beyond its total ${entry.total}`);
    const resource = this.#resources[Number(entry.media)] as SimulatedResource;
    const versions = resource.described(entry.etag, entry.modified, entry.total === 0 ? null : entry.total);
    if (versions.length !== 1)
      throw new SimulationFailure('spans are true', `entry ${entry.id} has spans of ${entry.etag}, ${entry.modified}, ${entry.total}`);
    this.#checkBytes(entry, spans, versions[0] as Version);
    return versions[0] as Version;
  }

  /** The bytes of recorded blocks that have a checksum, by file: damage to these must be noticed. */
  summed(): { readonly path: string; readonly range: ByteRange; readonly all: boolean }[] {
    const look = this.#look();
    const checksums = look.checksums.all();
    const spans = look.spans.all();
    return look.entries.all().flatMap(({ id, path, total }) => {
      const ranges = checksums.flatMap(({ entry, block }) => (entry === id ? [rangeOfBlock(block, total)] : []));
      const own = spans.filter(({ entry }) => entry === id);
      const all = own.every((span) => missing(ranges, span).length === 0);
      return ranges.map((range) => ({ path, range, all }));
    });
  }

  #checkBytes(entry: RawEntry, spans: readonly ByteRange[], version: Version): void {
    if (this.#disk.lost.has(entry.path)) return;
    const file = this.#disk.files.get(entry.path);
    if (file === undefined) throw new SimulationFailure('spans are true', `entry ${entry.id} has spans, and no file`);
    const known = this.#verified.get(entry.path);
    const rewritten = normalize(file.takeRewritten());
    const still = known?.version === version ? known.ranges.flatMap((range) => missing(rewritten, range)) : [];
    const seen = normalize(still);
    const exempt = normalize([...seen, ...file.damaged]);
    for (const span of spans) for (const part of missing(exempt, span)) checkPart(entry, file, version, part);
    this.#verified.set(entry.path, { version, ranges: spans.map(({ start, end }) => ({ start, end })) });
  }

  #checkRows(entry: RawEntry, spans: readonly RawRange[], rows: readonly RawRange[]): void {
    let before = -1;
    for (const { start, end } of rows) {
      if (start <= before) throw new SimulationFailure('rows are apart', `rows of entry ${entry.id} overlap at ${start}`);
      before = end;
      if (spans.some((span) => span.start <= end && span.end >= start))
        throw new SimulationFailure('rows are apart', `the row ${start}-${end} of entry ${entry.id} overlaps a span`);
    }
    if (entry.total !== null && entry.total > 0 && before >= entry.total)
      throw new SimulationFailure('rows are apart', `a row of entry ${entry.id} ends at ${before}, beyond its total ${entry.total}`);
  }

  #checkState(entry: RawEntry, spans: readonly RawRange[], rows: readonly RawRange[], seen: RawState | undefined): void {
    const wanted = {
      id: entry.id,
      state: stateOf(entry, spans, rows),
      downloaded: bytesOf(spans),
      spans: spans.length,
      pending: rows.length,
    };
    if (JSON.stringify(seen) !== JSON.stringify(wanted))
      throw new SimulationFailure('state', `the view says ${JSON.stringify(seen)}, the tables ${JSON.stringify(wanted)}`);
    if (entry.complete === 1 && bytesOf(spans) !== entry.total)
      throw new SimulationFailure('state', `entry ${entry.id} passes for complete with ${bytesOf(spans)} of ${entry.total} bytes`);
  }

  #checkSums(spans: readonly RawRange[], rows: readonly RawRange[], { kept, trash }: { kept: number; trash: number }): void {
    const recorded = bytesOf(spans);
    if (kept !== recorded) throw new SimulationFailure('kept sum', `${kept} bytes are said to be recorded, and ${recorded} are`);
    const leased = bytesOf(rows.filter(({ owner }) => owner !== null));
    if (this.#quota !== null && recorded + leased + trash > this.#quota)
      throw new SimulationFailure('quota', `${recorded} recorded + ${leased} leased + ${trash} in the trash are more than ${this.#quota}`);
  }
}

/** A checksum is of a block that is wholly recorded, and of the bytes that the origin has there. */
function checkChecksums(checksums: readonly RawChecksum[], spans: readonly RawRange[], version: Version | null): void {
  for (const { entry, block, crc32: told } of checksums) {
    const { start, end } = rangeOfBlock(block, version?.size ?? null);
    if (version === null || start > end || !spans.some((span) => span.start <= start && span.end >= end))
      throw new SimulationFailure('checksums are true', `block ${block} of entry ${entry} has a checksum, and is not all there`);
    if (told !== sumOf(version, block, start, end))
      throw new SimulationFailure(
        'checksums are true',
        `the checksum of block ${block} of entry ${entry} is not of version ${version.number}`,
      );
  }
}

const sums = new WeakMap<Version, Map<number, number>>();

function sumOf(version: Version, block: number, start: number, end: number): number {
  const known = sums.get(version) ?? new Map<number, number>();
  sums.set(version, known);
  const sum = known.get(block) ?? crc32(version.content.subarray(start, end + 1));
  known.set(block, sum);
  return sum;
}

function checkPart(entry: RawEntry, file: SimulatedFile, version: Version, { start, end }: ByteRange): void {
  const where = `bytes ${start}-${end} of entry ${entry.id} (${entry.path})`;
  if (end >= version.size) throw new SimulationFailure('spans are true', `${where} lie beyond version ${version.number}`);
  const equals = (bytes: Buffer): boolean => bytes.compare(version.content, start, end + 1, start, end + 1) === 0;
  if (end < file.durableLength && equals(file.durable)) return;
  const how =
    end < file.visibleLength && equals(file.visible)
      ? 'are recorded, and not durable'
      : `are recorded as version ${version.number}, and are not`;
  throw new SimulationFailure('spans are true', `${where} ${how}`);
}
