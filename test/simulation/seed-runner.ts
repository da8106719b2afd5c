import { SimulatedDatabase, type WrongSql } from './simulated-database.ts';
import type { Wraps } from './simulated-process.ts';
import { Simulation, type SimulationResult } from './simulation.ts';
import { ANY_CROWD, type Crowd } from './simulation-plan.ts';

/** Runs simulations one after the other on one database in memory, which goes when `close` is called. */
export class SeedRunner {
  readonly #database: SimulatedDatabase;
  readonly #crowd: Crowd;

  private constructor(database: SimulatedDatabase, crowd: Crowd) {
    this.#database = database;
    this.#crowd = crowd;
  }

  /**
   * @param wrong what is broken in the database
   * @param crowd how many processes each world has
   */
  static async open(wrong: WrongSql = {}, crowd = ANY_CROWD): Promise<SeedRunner> {
    return new SeedRunner(await SimulatedDatabase.open(wrong), crowd);
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
  }
}
