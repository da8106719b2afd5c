import { SeekwellError } from '../errors.ts';

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, '': 1_000, m: 60_000, min: 60_000, h: 3_600_000 };

/**
 * Reads `500ms`, `5s`, `5` (seconds), `2m`, `1h` as milliseconds; null: `none`.
 * @throws SeekwellError BAD_OPTION
 */
export function parseDuration(text: string): number | null {
  const trimmed = text.trim().toLowerCase();
  if (trimmed === 'none') return null;
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/.exec(trimmed);
  const milliseconds = Math.round(Number(match?.[1]) * (UNITS[match?.[2] ?? '?'] ?? Number.NaN));
  if (!Number.isSafeInteger(milliseconds)) {
    throw new SeekwellError('BAD_OPTION', `"${text}" is not a duration`, { hint: 'Write a duration like 500ms, 5s, 2m or none.' });
  }
  return milliseconds;
}

/** `seconds` for people: 0:07, 12:30, 3:05:00. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number): string => String(value).padStart(2, '0');
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}
