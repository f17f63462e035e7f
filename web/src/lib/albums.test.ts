import { describe, expect, it } from 'vitest';
import { liesIn, takes } from './albums';
import type { Album } from './types';

const album = (id: string, parent: string | null = null, query: string | null = null): Album => ({ id, name: id, path: id, parent, assets: 0, query });
const all = [album('trips'), album('iceland', 'trips'), album('glacier', 'iceland'), album('family'), album('best', null, 'rating:5')];
const [trips, iceland, glacier, family, best] = all as [Album, Album, Album, Album, Album];

describe('where an album can lie', () => {
  it('is nowhere within itself', () => {
    expect(liesIn(all, glacier, trips)).toBe(true);
    expect(liesIn(all, trips, glacier)).toBe(false);
    expect([trips, iceland, glacier].map((into) => takes(all, into, trips))).toEqual([false, false, false]);
  });
  it('is not where it lies, and not in what a search fills', () => {
    expect(takes(all, iceland, glacier)).toBe(false);
    expect(takes(all, best, glacier)).toBe(false);
    expect(takes(all, trips, glacier)).toBe(true);
    expect(takes(all, family, iceland)).toBe(true);
    expect(takes(all, family, best)).toBe(true);
  });
});
