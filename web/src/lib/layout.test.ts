import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dayOf, displayRatio, layOut, parseSkeleton, rowAt, rowBox, rowOf, type Measures, type Skeleton } from './layout';

const measures = (width: number): Measures => ({ width, target: 200, gap: 4, heading: 40, dayGap: 16, dayMin: 120 });

function skeletonOf(days: number[], byte: (photo: number) => number): Skeleton {
  const dayFirst = new Uint32Array(days.length + 1);
  days.forEach((count, day) => { dayFirst[day + 1] = dayFirst[day]! + count; });
  const count = dayFirst[days.length]!;
  return {
    dayDate: Uint32Array.from(days, (_, day) => 20_240_000 + day),
    dayFirst,
    ratio: Uint8Array.from({ length: count }, (_, photo) => byte(photo)),
  };
}

const libraries = fc.record({
  days: fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 60 }),
  width: fc.integer({ min: 200, max: 3_000 }),
  seed: fc.integer({ min: 1, max: 1_000_000 }),
}).map(({ days, width, seed }) => ({
  width,
  skeleton: skeletonOf(days, (photo) => (Math.imul(photo + 1, seed * 2_654_435_761) >>> 24) & 255),
}));

describe('the layout', () => {
  it('shows every photo exactly once and in order', () => {
    fc.assert(fc.property(libraries, ({ skeleton, width }) => {
      const layout = layOut(skeleton, measures(width));
      const seen: number[] = [];
      for (let row = 0; row < layout.rows; row++) seen.push(...rowBox(skeleton, layout, row).cells.map((cell) => cell.index));
      expect(seen).toEqual(Array.from(skeleton.ratio.keys()));
    }));
  });

  it('gives every day that has photos one heading, above its first photo', () => {
    fc.assert(fc.property(libraries, ({ skeleton, width }) => {
      const layout = layOut(skeleton, measures(width));
      const headed: number[] = [];
      for (let row = 0; row < layout.rows; row++) {
        for (const heading of rowBox(skeleton, layout, row).headings) {
          headed.push(heading.day);
          expect(rowOf(layout, heading.first)).toBe(row);
        }
      }
      const expected = Array.from(skeleton.dayDate.keys()).filter((day) => skeleton.dayFirst[day + 1]! > skeleton.dayFirst[day]!);
      expect(headed).toEqual(expected);
    }));
  });

  it('keeps every picture inside the page and none over another', () => {
    fc.assert(fc.property(libraries, ({ skeleton, width }) => {
      const layout = layOut(skeleton, measures(width));
      for (let row = 0; row < layout.rows; row++) {
        const box = rowBox(skeleton, layout, row);
        let right = -Infinity;
        for (const cell of box.cells) {
          expect(cell.x).toBeGreaterThanOrEqual(right);
          right = cell.x + cell.w;
          expect(right).toBeLessThanOrEqual(width + 0.5);
        }
      }
    }));
  });

  it('fills the lines of a large day exactly', () => {
    fc.assert(fc.property(fc.integer({ min: 200, max: 3_000 }), fc.integer({ min: 1, max: 9_999 }), (width, seed) => {
      const skeleton = skeletonOf([400], (photo) => 90 + ((photo * seed) % 80));
      const layout = layOut(skeleton, measures(width));
      for (let row = 0; row < layout.rows - 1; row++) {
        const last = rowBox(skeleton, layout, row).cells.at(-1)!;
        expect(last.x + last.w).toBeCloseTo(width, 1);
      }
    }));
  });

  it('stacks rows without gaps or overlaps and knows which row is where', () => {
    fc.assert(fc.property(libraries, ({ skeleton, width }) => {
      const layout = layOut(skeleton, measures(width));
      for (let row = 0; row < layout.rows; row++) {
        const box = rowBox(skeleton, layout, row);
        expect(layout.rowY[row + 1]!).toBeCloseTo(box.y + box.top + box.h + 4, 2);
        expect(rowAt(layout, box.y + 1)).toBe(row);
      }
      expect(layout.height).toBe(layout.rowY[layout.rows]);
    }));
  });

  it('packs a sparse library: a photo a week for ten years takes far fewer rows than days', () => {
    const skeleton = skeletonOf(Array.from({ length: 520 }, () => 1), () => 157);
    const layout = layOut(skeleton, measures(1280));
    expect(layout.rows).toBeLessThan(520 / 3);
  });

  it('lays out nothing without failing', () => {
    const layout = layOut(skeletonOf([], () => 0), measures(1280));
    expect([layout.rows, layout.height]).toEqual([0, 0]);
  });

  it('finds the day of every photo, empty days or not', () => {
    const skeleton = skeletonOf([2, 0, 3], () => 128);
    expect([0, 1, 2, 4].map((photo) => dayOf(skeleton, photo))).toEqual([0, 0, 2, 2]);
  });

  it('lays out a million photos in well under a second', () => {
    const skeleton = skeletonOf(Array.from({ length: 3_650 }, (_, day) => 100 + (day * 37) % 348), (photo) => 90 + (photo * 31) % 80);
    const begun = performance.now();
    const layout = layOut(skeleton, measures(1280));
    expect(performance.now() - begun).toBeLessThan(900);
    expect(layout.rowFirst[layout.rows]).toBe(skeleton.ratio.length);
  });
});

describe('the skeleton', () => {
  const bytes = (words: number[], ratios: number[]): ArrayBuffer => {
    const buffer = new ArrayBuffer(words.length * 4 + ratios.length);
    const view = new DataView(buffer);
    words.forEach((word, at) => view.setUint32(at * 4, word, true));
    new Uint8Array(buffer, words.length * 4).set(ratios);
    return buffer;
  };

  it('is read as the contract says', () => {
    const skeleton = parseSkeleton(bytes([1, 3, 2, 0, 20240709, 2, 0, 1], [128, 157, 0]));
    expect(Array.from(skeleton.dayDate)).toEqual([20240709, 0]);
    expect(Array.from(skeleton.dayFirst)).toEqual([0, 2, 3]);
    expect(displayRatio(skeleton.ratio[0]!)).toBe(1);
    expect(displayRatio(skeleton.ratio[1]!)).toBeCloseTo(1.5, 1);
  });

  it('of the server’s own golden file is read to the number', () => {
    const golden = readFileSync(join(import.meta.dirname, 'fixtures/skeleton.bin'));
    const skeleton = parseSkeleton(golden.buffer.slice(golden.byteOffset, golden.byteOffset + golden.byteLength));
    expect(Array.from(skeleton.dayDate)).toEqual([20230514, 20230513, 0]);
    expect(Array.from(skeleton.dayFirst)).toEqual([0, 2, 5, 6]);
    expect(Array.from(skeleton.ratio)).toEqual([128, 178, 78, 0, 255, 149]);
  });

  it.each([
    ['another version', bytes([2, 0, 0, 0], [])],
    ['cut short', bytes([1, 3, 1, 0, 20240709, 3], [128])],
    ['days that do not add up', bytes([1, 2, 1, 0, 20240709, 3], [128, 128])],
    ['nothing', new ArrayBuffer(0)],
  ])('is refused when it is wrong: %s', (_, buffer) => {
    expect(() => parseSkeleton(buffer)).toThrow();
  });
});
