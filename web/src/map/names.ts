// Names upon the map: each where it fits, the greater places first.
import { placed, type View } from './mercator';
import type { Label, Palette } from './style';

const MOST = 80;

type Box = readonly [left: number, top: number, right: number, bottom: number];
const overlap = (one: Box, other: Box): boolean => one[0] < other[2] && one[2] > other[0] && one[1] < other[3] && one[3] > other[1];
const around = ({ at: [x, y], radius }: Mark): Box => [x - radius, y - radius, x + radius, y + radius];

/** A button above the map, which a name goes out of the way of. */
export interface Mark { at: [x: number, y: number]; radius: number }

/** `rem` is the size of the page's text in pixels, by which names grow too. */
export function drawNames(context: CanvasRenderingContext2D, labels: Label[], marks: Mark[], view: View, zoom: number, palette: Palette, rem: number, ratio: number): void {
  const sans = getComputedStyle(context.canvas).fontFamily;
  const kept: Box[] = [];
  /** What stands where, as two tiles of different zooms may name one place a little apart. */
  const told: { text: string; x: number; y: number }[] = [];
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.lineJoin = 'round';
  for (const label of labels) {
    if (kept.length >= MOST) break;
    if (zoom < label.from || zoom >= label.before) continue;
    const [x, y] = placed(view, label.x, label.y);
    if (x < 0 || y < 0 || x > view.width || y > view.height) continue;
    if (told.some((one) => one.text === label.text && Math.hypot(one.x - x, one.y - y) < 160)) continue;
    const size = label.size * rem;
    context.font = `${label.bold ? '600 ' : ''}${size * ratio}px ${sans}`;
    const half = context.measureText(label.text).width / ratio / 2 + 4;
    // Where a mark lies upon its place, a name stands below or above that.
    const mark = marks.find(({ at, radius }) => Math.abs(at[0] - x) < radius + half && Math.abs(at[1] - y) < radius + size * 0.7);
    const beside = mark ? [mark.at[1] + mark.radius + size * 0.8, mark.at[1] - mark.radius - size * 0.8] : [y];
    const boxAt = (middle: number): Box => [x - half, middle - size * 0.7, x + half, middle + size * 0.7];
    const line = beside.find((middle) => !kept.some((other) => overlap(boxAt(middle), other)) && !marks.some((one) => overlap(boxAt(middle), around(one))));
    if (line === undefined) continue;
    kept.push(boxAt(line));
    told.push({ text: label.text, x, y });
    context.lineWidth = 3 * ratio;
    context.strokeStyle = palette.land;
    context.strokeText(label.text, x * ratio, line * ratio);
    context.fillStyle = label.soft ? palette.faint : palette.label;
    context.fillText(label.text, x * ratio, line * ratio);
  }
}
