// A figure is one row of the table: what was measured, what is to be reached, and what came out.

/** @typedef {import('./peers.mjs').PeerName} PeerName */
/** @typedef {PeerName | 'origin'} Column origin: the same work without a cache between */
/** @typedef {Partial<Record<Column, number>>} Values */
/**
 * @typedef {object} Figure
 * @property {string} what
 * @property {string} reach
 * @property {Partial<Record<Column, string>>} columns
 * @property {string} ratio empty: nothing to compare with
 * @property {boolean | null} ok null: the peer it is held against is not there
 * @property {{ label: string, better: 'lower' | 'higher', values: Values } | null} bars for the picture; null: not in it
 */
/** @typedef {{ quick: boolean, fullSize: boolean }} BenchOptions */

export const COLUMNS = /** @type {const} */ (['seekwell', 'nginx', 'rclone', 'origin']);

export const MIB = 1024 * 1024;
export const GIB = 1024 * MIB;

/** @param {number[]} values */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low = Number.NaN, high = Number.NaN] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return (low + high) / 2;
}

/** Samples of the same work by several, taken in turn. */
export class Samples {
  /** @type {Map<Column, number[]>} */
  #values = new Map();

  /** @param {Column} column @param {number} value */
  add(column, value) {
    this.#values.set(column, [...(this.#values.get(column) ?? []), value]);
  }

  /** @returns {Values} */
  medians() {
    return Object.fromEntries([...this.#values].map(([column, values]) => [column, median(values)]));
  }
}

/** `items` in another order each round, so that nobody is always the first or the one after the same other. @template T @param {readonly T[]} items @param {number} round */
export function inTurn(items, round) {
  const turned = [...items.slice(round % items.length), ...items.slice(0, round % items.length)];
  return Math.floor(round / items.length) % 2 === 0 ? turned : turned.reverse();
}

/** @param {Values} values @param {(value: number) => string} format @returns {Figure['columns']} */
export function columnsOf(values, format) {
  return Object.fromEntries(Object.entries(values).map(([column, value]) => [column, format(value)]));
}

/** Seekwell's value over another's; null where one of them is not there. @param {Values} values @param {Column} other */
export function over(values, other) {
  return values.seekwell === undefined || values[other] === undefined ? null : values.seekwell / values[other];
}

/** @param {number | null} ratio @param {string} [of] */
export function times(ratio, of) {
  return ratio === null ? '' : `${ratio.toFixed(2)}x${of === undefined ? '' : ` ${of}`}`;
}

/** @param {number} value */
export const milliseconds = (value) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
/** @param {number} bytesPerSecond */
export const megabytes = (bytesPerSecond) => `${(bytesPerSecond / 1e6).toFixed(bytesPerSecond < 1e8 ? 1 : 0)} MB/s`;
/** @param {number} value */
export const perSecond = (value) => `${Math.round(value).toLocaleString('en')}/s`;
