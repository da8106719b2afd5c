import { SeekwellError } from '../errors.ts';

/** A size as users write it: bytes, a share of the disk, or no limit. */
export type SizeSetting =
  | { readonly kind: 'bytes'; readonly bytes: number }
  | { readonly kind: 'percent'; readonly percent: number }
  | { readonly kind: 'unlimited' };

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
};

/**
 * Reads `50GB` (10^9), `500MiB` (2^20), `4M` (2^20), `1048576`, `30%`, `unlimited`.
 * @throws SeekwellError BAD_OPTION
 */
export function parseSize(text: string): SizeSetting {
  const trimmed = text.trim().toLowerCase();
  if (trimmed === 'unlimited') return { kind: 'unlimited' };
  const match = /^(\d+(?:\.\d+)?)\s*(%|[a-z]*)$/.exec(trimmed);
  const amount = Number(match?.[1]);
  const unit = match?.[2] ?? '?';
  if (match !== null && unit === '%' && amount > 0 && amount <= 100) return { kind: 'percent', percent: amount };
  const factor = UNITS[unit];
  const bytes = factor === undefined ? Number.NaN : Math.round(amount * factor);
  if (!Number.isSafeInteger(bytes)) {
    throw new SeekwellError('BAD_OPTION', `"${text}" is not a size`, { hint: 'Write a size like 50GB, 500MiB, 30% or unlimited.' });
  }
  return { kind: 'bytes', bytes };
}

/** `bytes` for people, with three digits: 0 B, 1.50 KiB, 23.4 MiB. */
export function formatSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let index = 0;
  while (value >= 1000 && index < units.length - 1) {
    value /= 1024;
    index++;
  }
  const digits = index === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${units[index]}`;
}
