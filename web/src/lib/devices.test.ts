import { describe, expect, it } from 'vitest';
import { deviceName, squares, timeLeft } from './devices';

describe('a device', () => {
  it('is called by its name, or by the beginning of its id', () => {
    expect(deviceName({ id: '9be1c07a55555555', name: 'Kitchen tablet' })).toBe('Kitchen tablet');
    expect(deviceName({ id: '9be1c07a55555555', name: null })).toBe('9be1c07a');
  });
});

describe('a code', () => {
  it('says how long it is good', () => {
    expect([timeLeft(600), timeLeft(65), timeLeft(5), timeLeft(0)]).toEqual(['10:00', '1:05', '0:05', '0:00']);
  });
  it('is drawn in runs of dark squares', () => {
    expect(squares(['1101', '0000', '0011'])).toBe('M0 0h2v1h-2zM3 0h1v1h-1zM2 2h2v1h-2z');
    expect(squares([])).toBe('');
  });
});
