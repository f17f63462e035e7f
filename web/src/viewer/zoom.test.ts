import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fit, pan, zoomAt, type Bounds } from './zoom';

const bounds: Bounds = { width: 1200, height: 800, w: 1200, h: 800, most: 8 };
const rest = { scale: 1, x: 0, y: 0 };

describe('the viewer', () => {
  it('fits a picture into the stage without changing its shape', () => {
    fc.assert(fc.property(fc.double({ min: 0.1, max: 10, noNaN: true }), fc.integer({ min: 50, max: 3000 }), fc.integer({ min: 50, max: 3000 }), (ratio, width, height) => {
      const box = fit(ratio, width, height, Infinity);
      expect(box.w).toBeLessThanOrEqual(width + 0.01);
      expect(box.h).toBeLessThanOrEqual(height + 0.01);
      expect(box.w / box.h).toBeCloseTo(ratio, 5);
    }));
  });

  it('keeps the point under the pointer where it is', () => {
    const at = { x: 900, y: 300 };
    const before = zoomAt(rest, 3, { x: 600, y: 400 }, bounds);
    const after = zoomAt(before, 1.5, at, bounds);
    const under = (view: typeof before): number => (at.x - 600 - view.x) / view.scale;
    expect(under(after)).toBeCloseTo(under(before), 6);
  });

  it('never enlarges beyond the most, nor shrinks below the stage', () => {
    expect(zoomAt(rest, 1000, { x: 0, y: 0 }, bounds).scale).toBe(8);
    expect(zoomAt(rest, 0.001, { x: 0, y: 0 }, bounds)).toEqual(rest);
  });

  it('never leaves the picture outside of the stage', () => {
    fc.assert(fc.property(fc.integer({ min: -9999, max: 9999 }), fc.integer({ min: -9999, max: 9999 }), fc.double({ min: 1, max: 8, noNaN: true }), (dx, dy, scale) => {
      const view = pan({ scale, x: 0, y: 0 }, dx, dy, bounds);
      expect(Math.abs(view.x)).toBeLessThanOrEqual((1200 * scale - 1200) / 2 + 0.001);
      expect(Math.abs(view.y)).toBeLessThanOrEqual((800 * scale - 800) / 2 + 0.001);
    }));
  });
});
