import { describe, expect, it } from 'vitest';
import * as dated from './dated';

describe('the date of a photo', () => {
  const camera = { taken: '2024-03-14T10:11:12+01:00', taken_from: 'ExifOriginal' };
  const file = { taken: '2024-03-15T08:00:00+00:00', taken_from: 'FileTime' };
  const fileOfCopy = { taken: null, file_time: '2024-03-15T08:00:00+00:00' };

  it('is not told as when it was taken where it is the date of the file', () => {
    expect([camera, file, fileOfCopy, { taken: null }].map(dated.sourceOfDate)).toEqual(['taken', 'file', 'file', 'none']);
    expect(dated.nameOfDates(['file', 'file'])).not.toBe(dated.nameOfDates(['taken', 'taken']));
    expect(dated.nameOfDates(['file', 'none'])).toBe(dated.nameOfDates(['file']));
    expect(dated.nameOfDates(['none'])).toBe(dated.nameOfDates(['taken']));
  });

  it('says what it is where dates of both kinds stand beside each other', () => {
    expect(dated.nameOfDates(['taken', 'file'])).not.toBe(dated.nameOfDates(['taken']));
    expect(dated.nameOfDates(['taken', 'file'])).not.toBe(dated.nameOfDates(['file']));
    expect(dated.dateAmong(file, ['taken', 'file'])).toMatch(/date of the file/);
    expect(dated.dateAmong(file, ['file', 'file'])).not.toMatch(/date of the file/);
    expect(dated.dateAmong(camera, ['taken', 'file'])).not.toMatch(/date of the file/);
  });
});
