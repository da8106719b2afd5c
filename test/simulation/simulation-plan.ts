import type { DownloadSettings } from '#seekwell/downloads/download-settings';
import type { SeededRandom } from './seeded-random.ts';
import { MAX_RESOURCES, MAX_SIZE, type Naming, type OriginTraits } from './simulated-origin.ts';

/** Every kind of trouble. Each simulation has some of them, so that each is met alone and with the others. */
export const FAULTS = [
  'network',
  'change',
  'links',
  'kill',
  'power',
  'disk',
  'database',
  'clock',
  'removal',
  'loss',
  'freeze',
  'rot',
] as const;
export type Fault = (typeof FAULTS)[number];

/** How many processes a world may have, both ends included. */
export interface Crowd {
  readonly least: number;
  readonly most: number;
}

export const ANY_CROWD: Crowd = { least: 1, most: 4 };

/** What a seed decides before anything happens. */
export interface SimulationPlan {
  readonly processes: number;
  readonly resources: readonly OriginTraits[];
  readonly settings: DownloadSettings;
  readonly faults: ReadonlySet<Fault>;
  /** Whoever opens the cache can tell that a process is dead; not so for one of another host. */
  readonly knowsTheDead: boolean;
  readonly events: number;
}

const SIZES = { 40: 2, 5000: 4, 60000: 6, 400000: 3, [MAX_SIZE]: 1 } as const;

function resourceOf(random: SeededRandom): OriginTraits {
  return {
    naming: random.weighted<Naming>({ etag: 5, 'last-modified': 2, nothing: 2 }),
    ranges: random.chance(0.85),
    givesLength: random.chance(0.85),
    maxSize: Number(random.weighted(SIZES as unknown as Record<string, number>)),
  };
}

/** @param crowd nothing else of the plan depends on it */
export function planOf(random: SeededRandom, crowd = ANY_CROWD): SimulationPlan {
  const resources = Array.from({ length: random.between(1, MAX_RESOURCES) }, () => resourceOf(random));
  const largest = Math.max(...resources.map(({ maxSize }) => maxSize));
  const bytes = resources.reduce((sum, { maxSize }) => sum + maxSize, 0);
  const chunkSize = Math.max(random.pick([16, 1_000, 16 * 1024, 64 * 1024, 400 * 1024]), Math.ceil(largest / 40));
  return {
    processes: random.between(crowd.least, crowd.most),
    resources,
    settings: {
      connections: random.between(1, 4),
      connectionsPerOrigin: random.between(1, 8),
      chunkSize,
      lookahead: random.pick([null, 0, 64 * 1024]),
      fill: random.chance(0.8),
      quota: random.chance(0.6) ? null : random.between(1, bytes),
      minFree: 0,
      limitRate: random.chance(0.9) ? null : random.between(20_000, 500_000),
      backgroundLimitRate: random.chance(0.8) ? null : random.between(20_000, 500_000),
    },
    faults: new Set(FAULTS.filter(() => random.chance(0.5))),
    knowsTheDead: random.chance(0.5),
    events: random.between(10, 60),
  };
}
