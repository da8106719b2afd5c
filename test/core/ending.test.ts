import { describe, expect, test } from 'vitest';
import { EndSignal } from '#seekwell/core/ending';

describe('an end', () => {
  test('is told once, to whoever listens, in their order', () => {
    const end = new EndSignal();
    const told: string[] = [];
    end.addEventListener('abort', () => told.push('first'));
    end.addEventListener('abort', () => told.push(`second, ${end.aborted}`));
    expect(end.aborted).toBe(false);
    end.abort();
    end.abort();
    expect([end.aborted, ...told]).toEqual([true, 'first', 'second, true']);
  });

  test('is not told to who stopped listening, nor to who came late', () => {
    const end = new EndSignal();
    const told: string[] = [];
    const [gone, other] = [(): unknown => told.push('gone'), (): unknown => told.push('other')];
    end.removeEventListener('abort', gone);
    end.addEventListener('abort', gone);
    end.addEventListener('abort', other);
    end.removeEventListener('abort', gone);
    end.abort();
    end.addEventListener('abort', gone);
    end.abort();
    expect(told).toEqual(['other']);
  });

  test('may take listeners away, or end again, while it is told', () => {
    const end = new EndSignal();
    const told: string[] = [];
    const second = (): unknown => told.push('second');
    end.addEventListener('abort', () => {
      end.abort();
      end.removeEventListener('abort', second);
      told.push('first');
    });
    end.addEventListener('abort', second);
    end.abort();
    expect(told).toEqual(['first', 'second']);
  });
});
