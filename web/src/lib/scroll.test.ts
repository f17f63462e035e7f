import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { moveTo, openScroll, scrolled, shift, span, type ScrollState } from './scroll';

const HUGE = 62_000_000;

/** A browser that keeps the position it was given. */
const drag = (state: ScrollState, by: number): ScrollState =>
  scrolled(state, Math.min(Math.max(0, state.physical + by), state.spacer - state.view));

describe('scrolling', () => {
  it('is the browser’s own where everything fits', () => {
    const state = scrolled(openScroll(4_000_000, 800, 0, 1), 123_456);
    expect([state.top, shift(state)]).toEqual([123_456, 0]);
  });

  it('stays below the cap of the browser at any pixel ratio', () => {
    for (const ratio of [1, 1.5, 2, 3]) expect(openScroll(HUGE, 800, 0, ratio).spacer * ratio).toBeLessThanOrEqual(16_000_000);
  });

  it('moves small steps pixel by pixel', () => {
    fc.assert(fc.property(fc.integer({ min: 20_000, max: HUGE - 20_000 }), fc.integer({ min: -900, max: 900 }), (top, step) => {
      const state = openScroll(HUGE, 800, top, 2);
      expect(drag(state, step).top - state.top).toBeCloseTo(step, 3);
    }));
  });

  it('reaches both ends from anywhere', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: HUGE }), fc.constantFrom(1, 2, 3), (top, ratio) => {
      const state = openScroll(HUGE, 800, top, ratio);
      const far = moveTo(state, HUGE / 2);
      expect(scrolled(far, far.spacer - far.view).top).toBeCloseTo(span(far), 3);
      expect(scrolled(far, 0).top).toBe(0);
    }));
  });

  it('reaches the ends with the wheel alone, and never jumps on the way', () => {
    for (const direction of [-120, 120]) {
      let state = openScroll(HUGE, 800, direction < 0 ? 60_000 : HUGE - 60_000, 1);
      for (let step = 0; step < 700; step++) {
        const next = drag(state, direction);
        expect(Math.abs(next.top - state.top)).toBeLessThanOrEqual(121);
        state = next;
      }
      expect(state.top).toBeCloseTo(direction < 0 ? 0 : span(state), 3);
    }
  });

  it('comes back to the same photo after resting', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: HUGE - 800 }), (top) => {
      const state = openScroll(HUGE, 800, top, 1);
      expect(moveTo(state, state.top).top).toBeCloseTo(top, 3);
    }));
  });
});
