import { describe, expect, test } from 'vitest';
import { ResidentPages } from '#seekwell/chunk-store/resident-pages';

const PAGE = 64 * 1024;
const TIB = 2 ** 40;

describe('what is marked', () => {
  test('counts from where it is asked to the end of the last page that was touched', () => {
    const pages = new ResidentPages();
    expect(pages.count(0, 10)).toBe(0);
    pages.mark(PAGE, PAGE + 1);
    expect(pages.count(PAGE - 1, 10)).toBe(0);
    expect(pages.count(PAGE, 10)).toBe(10);
    expect(pages.count(PAGE, 10 * PAGE)).toBe(2 * PAGE);
    expect(pages.count(2 * PAGE + 5, 10 * PAGE)).toBe(PAGE - 5);
    expect(pages.count(3 * PAGE - 1, 10)).toBe(1);
    expect(pages.count(3 * PAGE, 10)).toBe(0);
    expect(pages.count(PAGE, 0)).toBe(0);
  });

  test('up to the last byte of a page leaves the next one alone', () => {
    const pages = new ResidentPages();
    pages.mark(0, PAGE);
    expect(pages.count(0, 3 * PAGE)).toBe(PAGE);
  });

  test('a hole ends the count', () => {
    const pages = new ResidentPages();
    pages.mark(0, PAGE);
    pages.mark(2 * PAGE, PAGE);
    expect(pages.count(0, 3 * PAGE)).toBe(PAGE);
    pages.mark(PAGE + 100, 1);
    expect(pages.count(0, 4 * PAGE)).toBe(3 * PAGE);
  });

  test('nothing marks nothing, at the very beginning too', () => {
    const pages = new ResidentPages();
    pages.mark(0, 0);
    pages.mark(PAGE, 0);
    pages.mark(PAGE + 5, 0);
    expect([pages.count(0, 1), pages.count(PAGE, 1)]).toEqual([0, 0]);
  });

  test('every bit of a word, and pages far away, are kept while it grows', () => {
    const pages = new ResidentPages();
    const noted = [0, 31, 32, 63, 511, 512, 513, 100_000, TIB / PAGE];
    for (const page of noted) pages.mark(page * PAGE, 1);
    for (const page of noted) {
      expect(pages.count(page * PAGE, 2 * PAGE), `page ${page}`).toBe(noted.includes(page + 1) ? 2 * PAGE : PAGE);
      expect(pages.count(page * PAGE - 1, 1)).toBe(noted.includes(page - 1) ? 1 : 0);
    }
  });

  test('beyond 4 TiB is not noted and takes no memory', () => {
    const pages = new ResidentPages();
    const before = process.memoryUsage().arrayBuffers;
    pages.mark(4 * TIB, PAGE);
    pages.mark(2 ** 52, PAGE);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024);
    expect([pages.count(4 * TIB, 1), pages.count(2 ** 52, 1)]).toEqual([0, 0]);
    pages.mark(4 * TIB - 1, PAGE);
    expect(pages.count(4 * TIB - 1, PAGE)).toBe(1);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThanOrEqual(9 * 1024 * 1024);
  });
});

describe('reads that were slow', () => {
  /** A process that reads from a disk all the time. */
  function reading(): () => number {
    let blocks = 0;
    return () => blocks++;
  }

  /** Pages with one that is marked, after reads that took so long. */
  function leftAfter(...times: number[]): number {
    const pages = new ResidentPages(reading());
    pages.mark(0, 1);
    for (const time of times) pages.took(time);
    return pages.count(0, PAGE);
  }
  const fast = (count: number): number[] => new Array<number>(count).fill(0.1);

  test('three among 64 forget everything', () => {
    expect(leftAfter(3.1, 3.1, 3.1)).toBe(0);
    expect(leftAfter(3.1, ...fast(30), 3.1, ...fast(31), 3.1)).toBe(0);
  });

  test('one or two do not, nor three that are further apart', () => {
    expect(leftAfter(500)).toBe(PAGE);
    expect(leftAfter(500, 500, ...fast(62), 500, 500)).toBe(PAGE);
  });

  test('do not count where nothing was read from a disk: the thread waited for its turn', () => {
    const pages = new ResidentPages(() => 7);
    pages.mark(0, 1);
    for (let i = 0; i < 100; i++) pages.took(50);
    expect(pages.count(0, PAGE)).toBe(PAGE);
    for (let i = 0; i < 3; i++) pages.took(50.1);
    expect(pages.count(0, PAGE), 'no thread waits that long').toBe(0);
  });

  test('what is marked after is known again', () => {
    const pages = new ResidentPages(reading());
    pages.mark(0, 2 * PAGE);
    for (let i = 0; i < 3; i++) pages.took(10);
    pages.mark(PAGE, 1);
    pages.took(10);
    pages.took(10);
    expect([pages.count(0, PAGE), pages.count(PAGE, PAGE)]).toEqual([0, PAGE]);
  });
});
