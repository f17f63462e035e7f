// Reads a tile of vectors (Mapbox Vector Tile 2.1). The file is somebody else's, so nothing in it may cost more than its
// own length: every number that is read takes at least a byte, a ring is closed once, and what is too much is an error.
import { PbfReader } from 'pbf';

export type Value = string | number | boolean;
export interface Feature {
  shape: 'point' | 'line' | 'area';
  properties: Readonly<Record<string, Value>>;
  /** Each a point, a line or a ring: x and y in turn, in units of the tile. */
  parts: number[][];
}
export interface Layer {
  /** Units along a side of the tile. */
  extent: number;
  features: Feature[];
}

const SHAPES = [null, 'point', 'line', 'area'] as const;

/** The layers of a tile that are wanted, by name. */
export function readTile(bytes: Uint8Array, wanted: ReadonlySet<string>): Record<string, Layer> {
  const layers = Object.create(null) as Record<string, Layer>;
  new PbfReader(bytes).readFields((field, found, reader) => {
    if (field !== 3) return;
    const [name, layer] = readLayer(piece(reader), wanted);
    if (layer) found[name] = layer;
  }, layers);
  return layers;
}

/** What lies in a field, as a reader that cannot look beyond it. */
function piece(reader: PbfReader): PbfReader {
  const length = reader.readVarint();
  if (reader.pos + length > reader.length) throw new Error('the tile ends too early');
  reader.pos += length;
  return new PbfReader(reader.buf.subarray(reader.pos - length, reader.pos));
}

function readLayer(reader: PbfReader, wanted: ReadonlySet<string>): [string, Layer | null] {
  let name = '';
  let extent = 4096;
  const keys: string[] = [];
  const values: Value[] = [];
  const packed: PbfReader[] = [];
  reader.readFields((field) => {
    if (field === 1) name = reader.readString();
    else if (field === 2) packed.push(piece(reader));
    else if (field === 3) keys.push(reader.readString());
    else if (field === 4) values.push(readValue(piece(reader)));
    else if (field === 5) extent = reader.readVarint();
  }, null);
  if (!wanted.has(name)) return [name, null];
  if (!(extent >= 1 && extent <= 1 << 20)) throw new Error('the tile has no size');
  return [name, { extent, features: packed.flatMap((one) => readFeature(one, keys, values) ?? []) }];
}

function readValue(reader: PbfReader): Value {
  let value: Value = '';
  reader.readFields((field) => {
    if (field === 1) value = reader.readString();
    else if (field === 2) value = reader.readFloat();
    else if (field === 3) value = reader.readDouble();
    else if (field === 4) value = reader.readVarint(true);
    else if (field === 5) value = reader.readVarint();
    else if (field === 6) value = reader.readSVarint();
    else if (field === 7) value = reader.readBoolean();
  }, null);
  return value;
}

function readFeature(reader: PbfReader, keys: string[], values: Value[]): Feature | null {
  const properties = Object.create(null) as Record<string, Value>;
  let shape: Feature['shape'] | null = null;
  let parts: number[][] = [];
  reader.readFields((field) => {
    if (field === 2) {
      const tags = piece(reader);
      while (tags.pos < tags.length) {
        const key = keys[tags.readVarint()];
        const value = values[tags.readVarint()];
        if (key !== undefined && value !== undefined) properties[key] = value;
      }
    } else if (field === 3) shape = SHAPES[reader.readVarint()] ?? null;
    else if (field === 4) parts = readParts(piece(reader));
  }, null);
  return shape && parts.length > 0 ? { shape, properties, parts } : null;
}

const MOVE = 1, LINE = 2, CLOSE = 7;

function readParts(reader: PbfReader): number[][] {
  const parts: number[][] = [];
  let part: number[] | null = null;
  let x = 0;
  let y = 0;
  while (reader.pos < reader.length) {
    const command = reader.readVarint();
    const kind = command & 7;
    if (kind === CLOSE) continue;
    if (kind !== MOVE && kind !== LINE) throw new Error('the tile draws in a way that is not known');
    for (let left = command >>> 3; left > 0; left--) {
      if (reader.pos >= reader.length) throw new Error('a shape ends too early');
      x += reader.readSVarint();
      y += reader.readSVarint();
      if (kind === MOVE || part === null) parts.push(part = [x, y]);
      else part.push(x, y);
    }
  }
  return parts;
}
