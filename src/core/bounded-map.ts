/** A map for hints. One key more than its limit, and all that it held before is forgotten. */
export class BoundedMap<Key, Value> {
  readonly #limit: number;
  readonly #values = new Map<Key, Value>();

  /** @param limit at least 1 */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get(key: Key): Value | undefined {
    return this.#values.get(key);
  }

  has(key: Key): boolean {
    return this.#values.has(key);
  }

  set(key: Key, value: Value): void {
    if (this.#values.size >= this.#limit && !this.#values.has(key)) this.#values.clear();
    this.#values.set(key, value);
  }

  /** @returns whether it was there */
  delete(key: Key): boolean {
    return this.#values.delete(key);
  }

  clear(): void {
    this.#values.clear();
  }
}
