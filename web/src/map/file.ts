// The map file that lies on this machine (PMTiles 3). The server gives the pieces that are asked for; which those are is
// found here, so that a file of any size costs what is looked at.
import { Compression, PMTiles, ResolvedValueCache, TileType, type Source } from 'pmtiles';

/** More than any tile that can be drawn in good time; a small piece that grows beyond this is no map. */
export const MOST_BYTES = 16 << 20;

export interface TileFile {
  kind: 'vector' | 'raster';
  minZoom: number; maxZoom: number;
  /** Nothing where the file has no such tile. */
  read: (z: number, x: number, y: number, signal: AbortSignal) => Promise<ArrayBuffer | null>;
}

export async function openTiles(source: Source): Promise<TileFile> {
  // This cache and not the one that shares promises: that one would keep a failed answer for good.
  const file = new PMTiles(source, new ResolvedValueCache(64, false, unpack), unpack);
  const header = await file.getHeader();
  return {
    kind: header.tileType === TileType.Mvt ? 'vector' : 'raster',
    minZoom: header.minZoom,
    maxZoom: header.maxZoom,
    read: async (z, x, y, signal) => (await file.getZxy(z, x, y, signal))?.data ?? null,
  };
}

/** What was packed, as long as it stays within what a tile may be. */
export async function unpack(packed: ArrayBuffer, by: Compression, most = MOST_BYTES): Promise<ArrayBuffer> {
  if (by === Compression.None || by === Compression.Unknown) return packed;
  if (by !== Compression.Gzip) throw new Error('packed in a way that is not known');
  const stream = new DecompressionStream('gzip');
  const writer = stream.writable.getWriter();
  // What goes wrong with it is heard where it is read.
  void Promise.all([writer.write(new Uint8Array(packed)), writer.close()]).catch(() => {});
  const reader = stream.readable.getReader();
  const pieces: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > most) {
      // Nobody waits for it to stop.
      void reader.cancel().catch(() => {});
      throw new Error('a piece of it grows too large');
    }
    pieces.push(value);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) { whole.set(piece, at); at += piece.length; }
  return whole.buffer;
}
