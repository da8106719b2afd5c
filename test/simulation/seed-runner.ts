import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SimulatedDatabase, type WrongSql } from './simulated-database.ts';
import type { Wraps } from './simulated-process.ts';
import { Simulation, type SimulationResult } from './simulation.ts';
import { ANY_CROWD, type Crowd } from './simulation-plan.ts';

/** A file system in memory, where there is one: each commit that waits for the disk would else wait for a real one. */
const MEMORY = '/dev/shm';

/** Runs simulations one after the other on one database file, which goes when `close` is called. */
export class SeedRunner {
  readonly #folder: string;
  readonly #database: SimulatedDatabase;
  readonly #crowd: Crowd;

  private constructor(folder: string, database: SimulatedDatabase, crowd: Crowd) {
    this.#folder = folder;
    this.#database = database;
    this.#crowd = crowd;
  }

  /**
   * @param wrong what is broken in the database
   * @param crowd how many processes each world has
   */
  static async open(wrong: WrongSql = {}, crowd = ANY_CROWD): Promise<SeedRunner> {
    const folder = mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'seekwell-sim-'));
    return new SeedRunner(folder, await SimulatedDatabase.open(folder, wrong), crowd);
  }

  /**
   * @param wraps what is broken around the engine
   * @param print hears each line of the event log
   */
  run(seed: number, wraps: Wraps = {}, print: ((line: string) => void) | null = null): Promise<SimulationResult> {
    return new Simulation(seed, this.#database, wraps, print, this.#crowd).run();
  }

  close(): void {
    this.#database.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
