// The map's one projection, Web Mercator, which every map tile is cut by. The whole world is a square of side 1,
// counted from its north-western corner; a view looks at a part of it.

/** Where the square ends: the poles lie endlessly far beyond. */
export const EDGE = 85.051_128_779_806_59;

export const eastward = (lon: number): number => lon / 360 + 0.5;
export function southward(lat: number): number {
  const sine = Math.sin((Math.min(EDGE, Math.max(-EDGE, lat)) * Math.PI) / 180);
  return 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI);
}
export const longitude = (x: number): number => (x - 0.5) * 360;
export const latitude = (y: number): number => (360 / Math.PI) * Math.atan(Math.exp((0.5 - y) * 2 * Math.PI)) - 90;

export interface View {
  /** What lies in its middle. */
  x: number; y: number;
  /** How many pixels wide the whole world would be. */
  world: number;
  width: number; height: number;
}

/** Where a place is drawn, in pixels. */
export const placed = (view: View, x: number, y: number): [number, number] => [(x - view.x) * view.world + view.width / 2, (y - view.y) * view.world + view.height / 2];
/** What is drawn at a pixel. */
export const under = (view: View, [left, top]: [number, number]): { x: number; y: number } => ({ x: view.x + (left - view.width / 2) / view.world, y: view.y + (top - view.height / 2) / view.world });

/** The same view, with its middle where as little as may be is seen beyond the world's edges. */
export function within(view: View): View {
  const inside = (at: number, half: number): number => (half >= 0.5 ? 0.5 : Math.min(1 - half, Math.max(half, at)));
  return { ...view, x: Math.min(1, Math.max(0, view.x)), y: inside(view.y, view.height / 2 / view.world) };
}

export interface Tile { z: number; x: number; y: number }

/** The tiles of one zoom that are in sight, those nearest to the middle first. */
export function tilesOf(view: View, z: number): Tile[] {
  const count = 2 ** z;
  const from = under(view, [0, 0]);
  const to = under(view, [view.width, view.height]);
  const range = (low: number, high: number): [number, number] => [Math.max(0, Math.floor(low * count)), Math.min(count - 1, Math.ceil(high * count) - 1)];
  const [left, right] = range(from.x, to.x);
  const [top, bottom] = range(from.y, to.y);
  const tiles: Tile[] = [];
  for (let y = top; y <= bottom; y++) for (let x = left; x <= right; x++) tiles.push({ z, x, y });
  const away = (tile: Tile): number => Math.hypot(tile.x + 0.5 - view.x * count, tile.y + 0.5 - view.y * count);
  return tiles.sort((one, other) => away(one) - away(other));
}
