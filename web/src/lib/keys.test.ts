import { beforeEach, describe, expect, it, vi } from 'vitest';

vi.stubGlobal('localStorage', { getItem: () => null, setItem: () => {} });
vi.stubGlobal('document', { documentElement: { dataset: {}, style: {} } });
const { allLetters, letterFor, LETTERS, meant, putLetter, written } = await import('./keys');
const press = (key: string, more: object = {}): string => meant({ key, ctrlKey: false, metaKey: false, ...more } as KeyboardEvent);

describe('the keys of letters', () => {
  beforeEach(() => allLetters(true));

  it('mean what is written on them, until somebody moves them', () => {
    for (const letter of LETTERS) expect(press(letter)).toBe(letter);
    expect([press('R'), press('ArrowLeft'), press('5'), press('x')]).toEqual(['R', 'ArrowLeft', '5', 'x']);
  });

  it('mean what was put onto them, with Shift as well, and what was moved away does nothing more', () => {
    putLetter('r', 'x');
    expect([press('x'), press('X'), press('r'), press('R')]).toEqual(['r', 'R', '', '']);
    expect(press('r', { ctrlKey: true })).toBe('r');
    expect(written('r', 'f')).toEqual({ r: 'X', f: 'F' });
  });

  it('change places, so that no key means two things', () => {
    putLetter('f', 'a');
    expect([press('a'), press('f')]).toEqual(['f', 'a']);
    putLetter('f', '');
    expect([press('a'), press('f'), letterFor('f')]).toEqual(['', 'a', '']);
    const used = LETTERS.map(letterFor).filter((key) => key !== '');
    expect(new Set(used).size).toBe(used.length);
  });

  it('can all be turned off, and come back', () => {
    allLetters(false);
    for (const letter of LETTERS) expect(press(letter)).toBe('');
    allLetters(true);
    expect(press('z')).toBe('z');
  });
});
