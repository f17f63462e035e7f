// Makes small map files (PMTiles 3), of vectors or of pictures, for tests and for the stand-in.
import { deflateSync, gzipSync } from 'node:zlib';
import { PbfWriter } from 'pbf';

const NONE = 1, GZIP = 2;
const KINDS = { vector: 1, raster: 2 };

/** The number of a tile in the file: all shallower zooms come first, then its place on a Hilbert curve. */
function idOf(z, x, y) {
  let id = 0;
  for (let shallower = 0; shallower < z; shallower++) id += 4 ** shallower;
  for (let half = 2 ** (z - 1); half >= 1; half /= 2) {
    const east = x & half ? 1 : 0;
    const south = y & half ? 1 : 0;
    id += half * half * ((3 * east) ^ south);
    if (south === 0) {
      if (east === 1) [x, y] = [half - 1 - (x & (half - 1)), half - 1 - (y & (half - 1))];
      [x, y] = [y, x];
    }
  }
  return id;
}

function directory(entries) {
  const pbf = new PbfWriter();
  pbf.writeVarint(entries.length);
  let before = 0;
  for (const { id } of entries) { pbf.writeVarint(id - before); before = id; }
  for (let at = 0; at < entries.length; at++) pbf.writeVarint(1);
  for (const { length } of entries) pbf.writeVarint(length);
  entries.forEach(({ offset }, at) => pbf.writeVarint(at > 0 && offset === entries[at - 1].offset + entries[at - 1].length ? 0 : offset + 1));
  return Buffer.from(pbf.finish());
}

/**
 * A map file of `tiles`, each `{ z, x, y, data }`. More than some thousand make its root directory larger than readers
 * look for at once; this is for small ones.
 */
export function mapFile(kind, tiles, { attribution = null, bounds = [-180, -85, 180, 85], metadata = {} } = {}) {
  const packed = kind === 'vector';
  let offset = 0;
  const entries = tiles.map((tile) => ({ id: idOf(tile.z, tile.x, tile.y), data: packed ? gzipSync(tile.data) : tile.data })).sort((one, other) => one.id - other.id)
    .map(({ id, data }) => { const entry = { id, data, offset, length: data.length }; offset += data.length; return entry; });
  const root = gzipSync(directory(entries));
  const words = gzipSync(JSON.stringify({ name: 'a made map', ...(attribution === null ? {} : { attribution }), ...metadata }));
  const header = Buffer.alloc(127);
  header.write('PMTiles', 0, 'latin1');
  header[7] = 3;
  const long = (value, at) => header.writeBigUInt64LE(BigInt(value), at);
  [[127, root.length], [127 + root.length, words.length], [127 + root.length + words.length, 0], [127 + root.length + words.length, offset]].forEach(([from, length], at) => { long(from, 8 + at * 16); long(length, 16 + at * 16); });
  [entries.length, entries.length, entries.length].forEach((count, at) => long(count, 72 + at * 8));
  header[96] = 1;
  header[97] = GZIP;
  header[98] = packed ? GZIP : NONE;
  header[99] = KINDS[kind];
  const zooms = tiles.map(({ z }) => z);
  header[100] = Math.min(...zooms);
  header[101] = Math.max(...zooms);
  bounds.forEach((degrees, at) => header.writeInt32LE(Math.round(degrees * 1e7), 102 + at * 4));
  header[118] = header[100];
  return Buffer.concat([header, root, words, ...entries.map(({ data }) => data)]);
}

const SHAPES = { point: 1, line: 2, area: 3 };
const zigzag = (value) => (value < 0 ? -value * 2 - 1 : value * 2);

/** A tile of vectors: `{ layer: [{ shape, parts: [[x, y, x, y, …]], properties }] }`, of 4096 units a side. */
export function vectorTile(layers) {
  const tile = new PbfWriter();
  for (const [name, features] of Object.entries(layers)) {
    const keys = [];
    const values = [];
    const numberOf = (list, value) => { const at = list.indexOf(value); return at >= 0 ? at : list.push(value) - 1; };
    const told = features.map(({ shape, parts, properties = {} }) => ({ shape, parts, tags: Object.entries(properties).flatMap(([key, value]) => [numberOf(keys, key), numberOf(values, value)]) }));
    tile.writeMessage(3, (_, layer) => {
      layer.writeVarintField(15, 2);
      layer.writeStringField(1, name);
      for (const feature of told) layer.writeMessage(2, writeFeature, feature);
      for (const key of keys) layer.writeStringField(3, key);
      for (const value of values) layer.writeMessage(4, (what, pbf) => { if (typeof what === 'string') pbf.writeStringField(1, what); else if (typeof what === 'boolean') pbf.writeBooleanField(7, what); else if (Number.isInteger(what)) pbf.writeSVarintField(6, what); else pbf.writeDoubleField(3, what); }, value);
      layer.writeVarintField(5, 4096);
    }, null);
  }
  return Buffer.from(tile.finish());
}

function writeFeature({ shape, parts, tags }, pbf) {
  pbf.writePackedVarint(2, tags);
  pbf.writeVarintField(3, SHAPES[shape]);
  const drawn = [];
  let [x, y] = [0, 0];
  for (const part of parts) {
    for (let at = 0; at < part.length; at += 2) {
      if (at === 0) drawn.push((1 << 3) | 1);
      if (at === 2) drawn.push(((part.length / 2 - 1) << 3) | 2);
      drawn.push(zigzag(part[at] - x), zigzag(part[at + 1] - y));
      [x, y] = [part[at], part[at + 1]];
    }
    if (shape === 'area') drawn.push((1 << 3) | 7);
  }
  pbf.writePackedVarint(4, drawn);
}

/** A PNG of one colour, `[red, green, blue]`. */
export function plainPicture(side, colour) {
  const chunk = (name, data) => {
    const body = Buffer.concat([Buffer.from(name, 'latin1'), data]);
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(checksum(body));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    return Buffer.concat([length, body, sum]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(side, 0);
  head.writeUInt32BE(side, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const row = Buffer.concat([Buffer.from([0]), ...Array.from({ length: side }, () => Buffer.from(colour))]);
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', head), chunk('IDAT', deflateSync(Buffer.concat(Array.from({ length: side }, () => row)))), chunk('IEND', Buffer.alloc(0))]);
}

function checksum(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) { sum ^= byte; for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0); }
  return (sum ^ 0xffffffff) >>> 0;
}

/** Every tile of some zooms, made by `make(z, x, y)`. */
export const everywhere = (deepest, make) => Array.from({ length: deepest + 1 }, (_, z) => Array.from({ length: 4 ** z }, (_, at) => { const [x, y] = [at % 2 ** z, Math.floor(at / 2 ** z)]; return { z, x, y, data: make(z, x, y) }; })).flat();
