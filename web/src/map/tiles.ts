// The tiles of a map file beneath the photos: those in sight are asked for, nearest first, painted one a frame, and kept
// while there is room. What is not there yet is drawn from a coarser tile, and what the file lacks shows what lies beneath.
import { tilesOf, placed, type Tile, type View } from './mercator';
import { labelsOf, LAYERS, paint, type Label, type Palette } from './style';
import { readTile, type Layer } from './vector';
import type { TileFile } from './file';

/** Pixels of a tile's side on the page. */
const SIDE = { vector: 512, raster: 256 } as const;
/** Requests at a time; the browser has six to a server, and photos need theirs. */
const MOST_ASKED = 3;
/** Pixels of painted tiles that are kept: 64 MB. */
const MOST_PIXELS = 16 << 20;
const MOST_SOURCES = 24;

interface Painted { picture: HTMLCanvasElement | ImageBitmap | null; labels: Label[] }
/** What the file holds for a tile: vectors, a picture, or nothing. */
type Source = Record<string, Layer> | ImageBitmap | null;
interface Asked { source: Promise<Source>; stop: AbortController; done: boolean }

const named = ({ z, x, y }: Tile): string => `${z}/${x}/${y}`;

export class TileLayer {
  readonly #painted = new Map<string, Painted>();
  readonly #sources = new Map<string, Asked>();
  /** Tiles on their way to being painted. */
  readonly #going = new Set<string>();
  #wanted: Tile[] = [];
  #palette: Palette | null = null;
  #words = '';
  #language = 'en';
  #ratio = 1;
  #closed = false;
  #painting: Promise<void> = Promise.resolve();

  /** `changed` is called when there is more to draw, `failed` when the file could not be read. */
  constructor(readonly file: TileFile, readonly changed: () => void, readonly failed: (cause: unknown) => void) {}

  close(): void {
    this.#closed = true;
    for (const { stop } of this.#sources.values()) stop.abort();
    this.#sources.clear();
    this.#painted.clear();
  }

  /** The zoom whose tiles are nearest to their own size in a view. */
  zoomOf(view: View): number {
    return Math.min(22, Math.max(0, Math.round(Math.log2(view.world / SIDE[this.file.kind]))));
  }

  /** Draws what is there, upon what is drawn by `beneath` where that can show, and asks for what is not there. */
  draw(context: CanvasRenderingContext2D, view: View, palette: Palette, language: string, ratio: number, beneath: () => void): void {
    const words = `${language} ${ratio} ${Object.values(palette).join()}`;
    if (words !== this.#words) this.#painted.clear();
    [this.#words, this.#palette, this.#language, this.#ratio] = [words, palette, language, ratio];
    const z = this.zoomOf(view);
    this.#wanted = z < this.file.minZoom ? [] : tilesOf(view, z);
    const found = this.#wanted.map((tile) => ({ tile, has: this.#nearest(tile) }));
    // A picture may be transparent; vectors are painted on their own sea.
    if (this.file.kind === 'raster' || found.length === 0 || found.some(({ has }) => !has)) beneath();
    for (const { tile, has } of found) if (has) this.#blit(context, view, tile, has.at, has.picture);
    this.#ask();
  }

  /** The names that are in sight, each once. */
  labels(): Label[] {
    const found = new Map<string, Label>();
    for (const tile of this.#wanted) for (const label of this.#nearest(tile)?.labels ?? []) found.set(`${label.text} ${label.x} ${label.y}`, label);
    return [...found.values()].sort((one, other) => one.rank - other.rank || (one.text < other.text ? -1 : 1));
  }

  /** The tile itself, or the finest above it that is painted. */
  #nearest(tile: Tile): (Painted & { picture: HTMLCanvasElement | ImageBitmap; at: Tile }) | null {
    const own = this.#painted.get(named(tile));
    if (own) {
      this.#painted.delete(named(tile));
      this.#painted.set(named(tile), own);
      return own.picture ? { ...own, picture: own.picture, at: tile } : null;
    }
    for (let up = 1; up <= 5 && up <= tile.z; up++) {
      const at = { z: tile.z - up, x: tile.x >> up, y: tile.y >> up };
      const coarser = this.#painted.get(named(at));
      if (coarser?.picture) return { ...coarser, picture: coarser.picture, at };
    }
    return null;
  }

  /** Draws a tile, or its part of a coarser one, to whole pixels, so that no seam shows between two. */
  #blit(context: CanvasRenderingContext2D, view: View, tile: Tile, from: Tile, picture: HTMLCanvasElement | ImageBitmap): void {
    const count = 2 ** tile.z;
    const [left, top] = placed(view, tile.x / count, tile.y / count).map((at) => Math.round(at * this.#ratio)) as [number, number];
    const [right, bottom] = placed(view, (tile.x + 1) / count, (tile.y + 1) / count).map((at) => Math.round(at * this.#ratio)) as [number, number];
    const parts = 2 ** (tile.z - from.z);
    const [wide, high] = [picture.width / parts, picture.height / parts];
    context.drawImage(picture, (tile.x - from.x * parts) * wide, (tile.y - from.y * parts) * high, wide, high, left, top, right - left, bottom - top);
  }

  /** The tile of the file that a tile is drawn from: itself, or above the file's deepest zoom. */
  #sourceOf(tile: Tile): Tile {
    const up = Math.max(0, tile.z - this.file.maxZoom);
    return { z: tile.z - up, x: tile.x >> up, y: tile.y >> up };
  }

  #ask(): void {
    const sources = new Set(this.#wanted.map((tile) => named(this.#sourceOf(tile))));
    for (const [name, asked] of this.#sources) if (!asked.done && !sources.has(name)) { asked.stop.abort(); this.#sources.delete(name); }
    for (const tile of this.#wanted) {
      const name = named(tile);
      if (this.#painted.has(name) || this.#going.has(name)) continue;
      const source = this.#sourceOf(tile);
      const there = this.#sources.get(named(source));
      if (!there && [...this.#sources.values()].filter((one) => !one.done).length >= MOST_ASKED) break;
      this.#going.add(name);
      void this.#make(tile, source, there ?? this.#read(source)).finally(() => { this.#going.delete(name); if (!this.#closed) this.changed(); });
    }
  }

  #read(tile: Tile): Asked {
    const stop = new AbortController();
    const asked: Asked = { stop, done: false, source: this.file.read(tile.z, tile.x, tile.y, stop.signal).then(async (bytes): Promise<Source> => {
      if (!bytes || bytes.byteLength === 0) return null;
      return this.file.kind === 'vector' ? readTile(new Uint8Array(bytes), LAYERS) : await createImageBitmap(new Blob([bytes]));
    }).finally(() => { asked.done = true; }) };
    this.#sources.set(named(tile), asked);
    for (const [name, one] of this.#sources) {
      if (this.#sources.size <= MOST_SOURCES) break;
      if (one.done) this.#sources.delete(name);
    }
    return asked;
  }

  async #make(tile: Tile, source: Tile, asked: Asked): Promise<void> {
    let found: Source;
    try {
      found = await asked.source;
    } catch (cause) {
      if (asked.stop.signal.aborted || this.#closed) return;
      // One that cannot be read stays empty, and is not asked for at every move.
      this.#sources.delete(named(source));
      this.#painted.set(named(tile), { picture: null, labels: [] });
      this.failed(cause);
      return;
    }
    const turn = this.#painting.then(() => new Promise<void>((done) => { requestAnimationFrame(() => done()); }));
    this.#painting = turn;
    await turn;
    if (this.#closed || !this.#palette || !this.#wanted.some((one) => named(one) === named(tile))) return;
    if (found === null) this.#painted.set(named(tile), { picture: null, labels: [] });
    else if (found instanceof ImageBitmap) this.#painted.set(named(tile), { picture: cut(found, tile, source), labels: [] });
    else this.#painted.set(named(tile), { picture: this.#paint(found, tile, source, this.#palette), labels: labelsOf(found, source, this.#language) });
    this.#forgetOld();
  }

  #paint(layers: Record<string, Layer>, tile: Tile, source: Tile, palette: Palette): HTMLCanvasElement {
    const picture = document.createElement('canvas');
    picture.width = picture.height = SIDE.vector * this.#ratio;
    const scale = 2 ** (tile.z - source.z);
    paint(picture.getContext('2d')!, layers, palette, { side: picture.width, zoom: tile.z, scale, left: tile.x / scale - source.x, top: tile.y / scale - source.y, ratio: this.#ratio });
    return picture;
  }

  #forgetOld(): void {
    let pixels = 0;
    for (const { picture } of this.#painted.values()) pixels += picture ? picture.width * picture.height : 0;
    const inSight = new Set(this.#wanted.map(named));
    for (const [name, { picture }] of this.#painted) {
      if (pixels <= MOST_PIXELS) break;
      if (inSight.has(name)) continue;
      this.#painted.delete(name);
      pixels -= picture ? picture.width * picture.height : 0;
    }
  }
}

/** The part of a picture that a deeper tile shows. */
function cut(picture: ImageBitmap, tile: Tile, source: Tile): HTMLCanvasElement | ImageBitmap {
  if (tile.z === source.z) return picture;
  const parts = 2 ** (tile.z - source.z);
  const part = document.createElement('canvas');
  part.width = part.height = SIDE.raster;
  part.getContext('2d')!.drawImage(picture, (tile.x - source.x * parts) * (picture.width / parts), (tile.y - source.y * parts) * (picture.height / parts), picture.width / parts, picture.height / parts, 0, 0, SIDE.raster, SIDE.raster);
  return part;
}
