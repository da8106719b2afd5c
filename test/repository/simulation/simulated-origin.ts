import type { Description } from '#seekwell/core/validator';
import type { EntryRow } from '#seekwell/repository/cache-repository';
import { WORLD } from './simulated-disk.ts';

/** How the origin names versions: by an etag, by the length alone, or by an etag with a length that shows at the end. */
export type Naming = 'etag' | 'length' | 'no-length';

/** One version of a resource. */
export interface Version {
  /** Positive; what the disk holds instead of bytes. */
  readonly number: number;
  readonly length: number;
  readonly description: Description;
}

/** The most versions of one resource: so many lengths there are to tell them apart. */
const VERSIONS = 10;

/** The versions of one resource. */
export class SimulatedOrigin {
  readonly #naming: Naming;
  #number = 1;

  constructor(naming: Naming) {
    this.#naming = naming;
  }

  get current(): Version {
    return this.#version(this.#number);
  }

  change(): void {
    if (this.#number < VERSIONS) this.#number++;
  }

  /** The number of the version that the database says the entry's bytes are of. */
  recorded(entry: Pick<EntryRow, 'etag' | 'expectedTotalSize'>): number {
    if (this.#naming !== 'length') return Number(entry.etag?.slice(1, -1));
    for (let number = 1; number <= this.#number; number++) {
      if (this.#version(number).length === entry.expectedTotalSize) return number;
    }
    return Number.NaN;
  }

  #version(number: number): Version {
    const length = WORLD - (number % VERSIONS);
    const etag = this.#naming === 'length' ? null : `"${number}"`;
    const total = this.#naming === 'no-length' ? null : length;
    return { number, length, description: { validator: { etag, lastModified: null }, total, mimeType: null } };
  }
}
