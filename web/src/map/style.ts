// What of a map is drawn, in which order and how wide: little, since it lies beneath photos. It goes by the layers and
// kinds of the Protomaps basemap (earth, landcover, landuse, water, buildings, roads, boundaries, places).
import type { Feature, Layer, Value } from './vector';

/** The colours, by the names of the custom properties that hold them. */
export const COLOURS = ['sea', 'land', 'green', 'ice', 'sand', 'built', 'building', 'casing', 'road', 'highway', 'rail', 'border', 'label', 'faint'] as const;
export type Colour = (typeof COLOURS)[number];
export type Palette = Readonly<Record<Colour, string>>;

/** Width in pixels at some zooms; between them it grows evenly. */
type Widths = readonly (readonly [zoom: number, pixels: number])[];
interface Rule {
  layer: string; shape: Feature['shape']; colour: Colour;
  /** Of which kinds; of all where none is given. */
  kinds?: ReadonlySet<string>;
  from?: number; before?: number;
  width?: Widths; dash?: readonly number[];
}

const kinds = (words: string): ReadonlySet<string> => new Set(words.split(' '));
const GREEN = kinds('forest wood nature_reserve national_park park protected_area cemetery grass grassland meadow scrub golf_course garden village_green allotments orchard vineyard farmland recreation_ground playground dog_park zoo wetland pitch');
const BUILT = kinds('urban_area industrial commercial retail hospital school university college kindergarten aerodrome airfield railway pedestrian military naval_base');
const HIGHWAY: Widths = [[5, 0.8], [9, 1.6], [12, 3], [15, 8], [18, 22]];
const MAJOR: Widths = [[7, 0.5], [10, 1.2], [13, 3], [15, 6.5], [18, 18]];
const MINOR: Widths = [[11, 0.4], [13, 1], [15, 3.5], [18, 13]];
const wider = (widths: Widths, by: number): Widths => widths.map(([zoom, pixels]) => [zoom, pixels + by]);
const road = (of: string, colour: Colour, width: Widths, from: number, dash?: readonly number[]): Rule => ({ layer: 'roads', shape: 'line', kinds: kinds(of), colour, width, from, ...(dash ? { dash } : {}) });

export const RULES: readonly Rule[] = [
  { layer: 'earth', shape: 'area', colour: 'land' },
  { layer: 'landcover', shape: 'area', colour: 'green', kinds: GREEN },
  { layer: 'landcover', shape: 'area', colour: 'built', kinds: BUILT },
  { layer: 'landcover', shape: 'area', colour: 'ice', kinds: kinds('glacier') },
  { layer: 'landuse', shape: 'area', colour: 'built', kinds: BUILT, from: 9 },
  { layer: 'landuse', shape: 'area', colour: 'green', kinds: GREEN, from: 6 },
  { layer: 'landuse', shape: 'area', colour: 'sand', kinds: kinds('beach sand'), from: 9 },
  { layer: 'landuse', shape: 'area', colour: 'ice', kinds: kinds('glacier') },
  { layer: 'water', shape: 'line', colour: 'sea', width: [[7, 0.5], [12, 1.5], [16, 5]], from: 7 },
  { layer: 'water', shape: 'area', colour: 'sea' },
  { layer: 'buildings', shape: 'area', colour: 'building', from: 14 },
  road('ferry', 'border', [[8, 0.7], [16, 1.2]], 8, [4, 4]),
  road('path other', 'faint', [[14, 0.7], [18, 2]], 14, [3, 2]),
  road('rail', 'rail', [[9, 0.5], [14, 1.2], [18, 2.5]], 9),
  road('aeroway', 'built', [[10, 1], [14, 8], [17, 30]], 10),
  road('minor_road', 'casing', wider(MINOR, 1.5), 13),
  road('medium_road major_road', 'casing', wider(MAJOR, 1.5), 10),
  road('highway', 'casing', wider(HIGHWAY, 1.5), 8),
  road('minor_road', 'road', MINOR, 11),
  road('medium_road major_road', 'road', MAJOR, 7),
  road('highway', 'highway', HIGHWAY, 5),
  { layer: 'boundaries', shape: 'line', colour: 'border', kinds: kinds('region macroregion'), width: [[4, 0.5], [12, 1]], from: 4, dash: [4, 3] },
  { layer: 'boundaries', shape: 'line', colour: 'border', kinds: kinds('country'), width: [[0, 0.6], [6, 1.2], [12, 2]] },
];
/** The layers that something is made of; a tile's others are not even read. */
export const LAYERS: ReadonlySet<string> = new Set([...RULES.map((rule) => rule.layer), 'places']);

/** A property, whose name had a prefix in earlier versions of the basemap. */
const of = (feature: Feature, name: string): Value | undefined => feature.properties[name] ?? feature.properties[`pmap:${name}`];
const kindOf = (feature: Feature): string => String(of(feature, 'kind') ?? '');

export function widthAt(widths: Widths, zoom: number): number {
  let [before, pixels] = widths[0]!;
  for (const [at, wide] of widths) {
    if (zoom <= at) return at === before ? wide : pixels + ((wide - pixels) * (zoom - before)) / (at - before);
    [before, pixels] = [at, wide];
  }
  return pixels;
}

/** Which part of a tile is drawn how large: all of it, or what lies in one of its parts at a deeper zoom. */
export interface Frame { side: number; zoom: number; scale: number; left: number; top: number; ratio: number }

export function paint(context: CanvasRenderingContext2D, layers: Record<string, Layer>, palette: Palette, frame: Frame): void {
  context.fillStyle = palette.sea;
  context.fillRect(0, 0, frame.side, frame.side);
  context.lineJoin = 'round';
  for (const rule of RULES) {
    const layer = layers[rule.layer];
    if (!layer || frame.zoom < (rule.from ?? 0) || frame.zoom >= (rule.before ?? 99)) continue;
    context.beginPath();
    const unit = (frame.side / layer.extent) * frame.scale;
    for (const feature of layer.features) {
      if (feature.shape !== rule.shape || (rule.kinds && !rule.kinds.has(kindOf(feature)))) continue;
      for (const part of feature.parts) trace(context, part, unit, -frame.left * frame.side * frame.scale, -frame.top * frame.side * frame.scale, rule.shape === 'area');
    }
    if (rule.width) {
      context.strokeStyle = palette[rule.colour];
      context.lineWidth = widthAt(rule.width, frame.zoom) * frame.ratio;
      context.setLineDash((rule.dash ?? []).map((length) => length * frame.ratio));
      context.lineCap = rule.dash ? 'butt' : 'round';
      context.stroke();
    } else {
      context.fillStyle = palette[rule.colour];
      context.fill();
    }
  }
}

function trace(context: CanvasRenderingContext2D, part: number[], unit: number, left: number, top: number, closed: boolean): void {
  context.moveTo(part[0]! * unit + left, part[1]! * unit + top);
  for (let at = 2; at < part.length; at += 2) context.lineTo(part[at]! * unit + left, part[at + 1]! * unit + top);
  if (closed) context.closePath();
}

/** A name on the map. */
export interface Label {
  text: string;
  /** Where, on the world's square. */
  x: number; y: number;
  /** Of the text, where 1 is the page's own size. */
  size: number; bold: boolean; soft: boolean;
  from: number; before: number;
  /** The lower, the sooner it is given room. */
  rank: number;
}

const numeric = (value: Value | undefined, otherwise: number): number => (typeof value === 'number' && Number.isFinite(value) ? value : otherwise);

/** The names in a tile, in a language where the map has it. */
export function labelsOf(layers: Record<string, Layer>, tile: { z: number; x: number; y: number }, language: string): Label[] {
  const layer = layers['places'];
  if (!layer) return [];
  const count = 2 ** tile.z;
  return layer.features.flatMap((feature): Label[] => {
    const [x, y] = feature.parts[0]!;
    const text = String(feature.properties[`name:${language}`] ?? feature.properties['name'] ?? '');
    // A tile holds its neighbours' names near the edges too.
    if (feature.shape !== 'point' || text === '' || x! < 0 || y! < 0 || x! >= layer.extent || y! >= layer.extent) return [];
    const kind = kindOf(feature);
    const people = numeric(of(feature, 'population_rank'), 0);
    const from = numeric(of(feature, 'min_zoom'), 0) - 1;
    const spot = { text: text.slice(0, 80), x: (tile.x + x! / layer.extent) / count, y: (tile.y + y! / layer.extent) / count };
    if (kind === 'country') return [{ ...spot, size: 0.875, bold: true, soft: false, from, before: 7, rank: 0 }];
    if (kind === 'region') return [{ ...spot, size: 0.75, bold: false, soft: true, from: Math.max(from, 4), before: 9, rank: 12 }];
    if (kind === 'locality') return [{ ...spot, size: people >= 11 ? 0.9375 : people >= 8 ? 0.8125 : 0.75, bold: people >= 11, soft: false, from, before: 99, rank: 20 - people }];
    return [{ ...spot, size: 0.6875, bold: false, soft: true, from: Math.max(from, 12), before: 99, rank: 30 - people }];
  });
}
