import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { Compression } from 'pmtiles';
import { everywhere, mapFile, plainPicture, vectorTile } from '../../dev/pmtiles.mjs';
import { openTiles, unpack } from './file';
import { eastward, latitude, longitude, placed, southward, tilesOf, under, within } from './mercator';
import { labelsOf, LAYERS, widthAt } from './style';
import { readTile } from './vector';

const source = (file: Buffer, asked: [number, number][] = []) => ({
  getKey: () => 'test',
  getBytes: async (offset: number, length: number) => { asked.push([offset, length]); const piece = file.subarray(offset, offset + length); return { data: piece.buffer.slice(piece.byteOffset, piece.byteOffset + piece.length) as ArrayBuffer }; },
});
const signal = new AbortController().signal;
// Noise by the hundred takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

describe('the projection', () => {
  it('comes back to where it went from', () => {
    fc.assert(fc.property(fc.double({ min: -180, max: 180, noNaN: true }), fc.double({ min: -85, max: 85, noNaN: true }), (lon, lat) => {
      expect(longitude(eastward(lon))).toBeCloseTo(lon, 6);
      expect(latitude(southward(lat))).toBeCloseTo(lat, 6);
    }));
  });

  it('keeps the world in sight, and finds under a pixel what it placed there', () => {
    fc.assert(fc.property(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 0, max: 18 }), (x, y, zoom) => {
      const view = within({ x, y, world: 900 * 2 ** zoom, width: 900, height: 400 });
      expect(under(view, [0, 0]).y).toBeGreaterThan(-1e-9);
      expect(under(view, [900, 400]).y).toBeLessThan(1 + 1e-9);
      const [left, top] = placed(view, view.x, view.y);
      expect([left, top]).toEqual([450, 200]);
    }));
  });

  it('finds all tiles in sight, each once, the nearest first', () => {
    const view = { x: 0.5, y: 0.5, world: 2048, width: 1024, height: 512 };
    expect(tilesOf(view, 2)).toHaveLength(4);
    expect(tilesOf({ ...view, x: 0.01 }, 2).every(({ x }) => x >= 0)).toBe(true);
    const [first] = tilesOf({ ...view, x: 0.6, y: 0.45 }, 3);
    expect(first).toEqual({ z: 3, x: 4, y: 3 });
  });
});

describe('a map file', () => {
  const tile = (z: number, x: number, y: number) => vectorTile({ places: [{ shape: 'point', parts: [[2048, 2048]], properties: { name: `${z}/${x}/${y}`, kind: 'locality' } }] });

  it('gives every tile that it holds, by its place', async () => {
    const file = await openTiles(source(mapFile('vector', everywhere(3, tile))));
    expect(file).toMatchObject({ kind: 'vector', minZoom: 0, maxZoom: 3 });
    for (const { z, x, y } of everywhere(3, () => null)) {
      const layers = readTile(new Uint8Array((await file.read(z, x, y, signal))!), LAYERS);
      expect(layers['places']!.features[0]!.properties['name']).toBe(`${z}/${x}/${y}`);
    }
  });

  it('is asked for little more than the tile', async () => {
    const asked: [number, number][] = [];
    const file = await openTiles(source(mapFile('raster', everywhere(3, () => plainPicture(256, [1, 2, 3]))), asked));
    expect(file.kind).toBe('raster');
    asked.length = 0;
    expect(Buffer.from((await file.read(3, 5, 2, signal))!).subarray(1, 4).toString()).toBe('PNG');
    expect(asked).toHaveLength(1);
    expect(asked[0]![1]).toBeLessThan(2_000);
    expect(await file.read(9, 0, 0, signal)).toBeNull();
  });

  it('does not unpack what grows beyond all measure', async () => {
    const bomb = gzipSync(Buffer.alloc(3_000_000));
    const packed = bomb.buffer.slice(bomb.byteOffset, bomb.byteOffset + bomb.length) as ArrayBuffer;
    await expect(unpack(packed, Compression.Gzip, 1_000_000)).rejects.toThrow();
    expect((await unpack(packed, Compression.Gzip)).byteLength).toBe(3_000_000);
    await expect(unpack(packed, Compression.Brotli)).rejects.toThrow();
  });
});

describe('a tile of vectors', () => {
  const tile = () => vectorTile({
    earth: [{ shape: 'area', parts: [[0, 0, 4096, 0, 4096, 4096, 0, 4096], [10, 10, 10, 20, 20, 20]], properties: { kind: 'earth' } }],
    roads: [{ shape: 'line', parts: [[-5, 7, 4000, 8, 3, 9]], properties: { kind: 'highway', min_zoom: 3, oneway: true, share: 0.5 } }],
    pois: [{ shape: 'point', parts: [[1, 1]], properties: {} }],
  });

  it('is read as it was written, without the layers that nobody draws', () => {
    const layers = readTile(tile(), LAYERS);
    expect(Object.keys(layers)).toEqual(['earth', 'roads']);
    expect(layers['earth']!.features).toEqual([{ shape: 'area', properties: { kind: 'earth' }, parts: [[0, 0, 4096, 0, 4096, 4096, 0, 4096], [10, 10, 10, 20, 20, 20]] }]);
    expect(layers['roads']!.features[0]).toMatchObject({ shape: 'line', properties: { kind: 'highway', min_zoom: 3, oneway: true, share: 0.5 }, parts: [[-5, 7, 4000, 8, 3, 9]] });
  });

  it('costs no more than its length, whatever it holds', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 12 }), (noise, changes) => {
      const spoilt = Uint8Array.from(tile());
      for (const [at, byte] of changes) spoilt[at % spoilt.length] = byte;
      for (const bytes of [noise, spoilt]) {
        try {
          const layers = readTile(bytes, LAYERS);
          for (const { features } of Object.values(layers)) for (const { parts } of features) expect(parts.flat().length).toBeLessThanOrEqual(bytes.length);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }
    }), { numRuns: 400 });
  });

  it('does not close a ring a thousand million times', () => {
    const tile = Buffer.from([0x1a, 0x10, 0x0a, 0x05, ...Buffer.from('earth'), 0x12, 0x07, 0x22, 0x05, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    expect(readTile(tile, LAYERS)['earth']?.features ?? []).toEqual([]);
  });
});

describe('names on the map', () => {
  const layers = () => readTile(vectorTile({ places: [
    { shape: 'point', parts: [[2048, 1024]], properties: { name: 'Lisboa', 'name:en': 'Lisbon', kind: 'locality', population_rank: 12, min_zoom: 4 } },
    { shape: 'point', parts: [[5000, 0]], properties: { name: 'A neighbour', kind: 'locality' } },
    { shape: 'point', parts: [[0, 0]], properties: { 'pmap:kind': 'country', name: 'Portugal' } },
  ] }), LAYERS);

  it('are in the reader’s language where the map has it, and in their own tile only', () => {
    const [city, country] = labelsOf(layers(), { z: 1, x: 1, y: 0 }, 'en');
    expect(city).toMatchObject({ text: 'Lisbon', x: 0.75, y: 0.125, bold: true });
    expect(country).toMatchObject({ text: 'Portugal', rank: 0 });
    expect(labelsOf(layers(), { z: 1, x: 1, y: 0 }, 'de').map(({ text }) => text)).toEqual(['Lisboa', 'Portugal']);
  });
});

describe('lines', () => {
  it('grow evenly between the zooms that are told', () => {
    expect([4, 5, 7, 9, 12].map((zoom) => widthAt([[5, 1], [9, 3]], zoom))).toEqual([1, 1, 2, 3, 3]);
  });
});
