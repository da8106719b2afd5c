import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where recordings lie. */
export const FIXTURES = join(import.meta.dirname, 'fixtures');

/** One request of a player, as the origin saw it. */
export interface PlayerRequest {
  /** When it came, in milliseconds after the player's first one. */
  readonly at: number;
  /** When its answer was over, on the same clock. */
  readonly until: number;
  /** The connection it came on: 1 is the player's first one. Two requests of one connection: it was kept alive. */
  readonly connection: number;
  /** Range, If-Range, Connection, Accept-Encoding and the like, as they came. */
  readonly headers: Readonly<Record<string, string>>;
  /** The first byte it was answered with. */
  readonly start: number;
  /** Bytes from there on that the player took: what lay unread in the system's buffers when it left is not among them. */
  readonly taken: number;
  /** `complete`: it took all that the answer held; `left`: it closed the connection before. */
  readonly end: 'complete' | 'left';
}

/** What one player did with one film. */
export interface PlayerFixture {
  /** The player and its version. */
  readonly player: string;
  /** What it was told to do. */
  readonly story: string;
  readonly film: { readonly name: string; readonly size: number; readonly seconds: number };
  /** Bytes a second of each answer while it was recorded. */
  readonly rate: number;
  /** By `at`. */
  readonly requests: readonly PlayerRequest[];
}

/** The recordings by name. */
export function playerFixtures(): [name: string, fixture: PlayerFixture][] {
  const files = readdirSync(FIXTURES).filter((file) => file.endsWith('.json'));
  return files.sort().map((file) => [file.slice(0, -'.json'.length), JSON.parse(readFileSync(join(FIXTURES, file), 'utf8'))]);
}
