// The justified layout of a whole library, in typed arrays: no object per photo.
//
// A *row* is one line of pictures. A day whose pictures fill more than one line gets rows of its own (`flow`);
// small days share a row (`packed`), each under its own heading. Every row that starts a day has a heading band
// above its pictures. Heights are exact from the first frame, so nothing ever moves under the reader.

/** What the server sends: days newest first, and one byte of aspect ratio for each photo. */
export interface Skeleton {
  /** `yyyymmdd` for each day, 0 for what has no date. */
  dayDate: Uint32Array;
  /** Index of each day's first photo; one more entry than days, the last being the number of photos. */
  dayFirst: Uint32Array;
  /** `round(50·log2(width/height) + 128)`, 0 where it is not known. */
  ratio: Uint8Array;
}

export interface Measures {
  /** Width to fill, in CSS pixels. */
  width: number;
  /** Height that rows aim at. */
  target: number;
  /** Space between pictures, and between rows. */
  gap: number;
  /** Height of the band that holds a day's heading. */
  heading: number;
  /** Space between two days that share a row. */
  dayGap: number;
  /** Narrowest space that a day's heading can stand in. */
  dayMin: number;
}

export interface Layout extends Measures {
  rows: number;
  /** Top of each row (its heading band included); one more entry than rows, the last being the total height. */
  rowY: Float64Array;
  /** Height of the pictures in a row. */
  rowH: Float32Array;
  /** First photo of each row; one more entry than rows. */
  rowFirst: Uint32Array;
  /** Day that a row's first photo belongs to. */
  rowDay: Uint32Array;
  /** 1: starts one or more days, so it has a heading band. */
  rowHeaded: Uint8Array;
  height: number;
}

/** Widest and narrowest picture of the timeline; beyond them it shows a part of the picture. */
const WIDEST = 3.2;
const NARROWEST = 0.45;
/** How far a row of small days may grow to fill its line. */
const STRETCH = 1.35;

const RATIOS = Float32Array.from({ length: 256 }, (_, byte) =>
  byte === 0 ? 1 : Math.min(WIDEST, Math.max(NARROWEST, 2 ** ((byte - 128) / 50))),
);

/** Width divided by height, as the timeline shows it. */
export const displayRatio = (byte: number): number => RATIOS[byte] ?? 1;

/** Reads the binary skeleton; throws where it is not one. */
export function parseSkeleton(bytes: ArrayBuffer): Skeleton {
  const view = new DataView(bytes);
  if (bytes.byteLength < 16 || view.getUint32(0, true) !== 1) throw new Error('not a timeline of version 1');
  const count = view.getUint32(4, true);
  const days = view.getUint32(8, true);
  if (bytes.byteLength !== 16 + days * 8 + count) throw new Error('the timeline was cut short');
  const dayDate = new Uint32Array(days);
  const dayFirst = new Uint32Array(days + 1);
  let first = 0;
  for (let day = 0; day < days; day++) {
    dayDate[day] = view.getUint32(16 + day * 8, true);
    first += view.getUint32(20 + day * 8, true);
    dayFirst[day + 1] = first;
  }
  if (first !== count) throw new Error('the days of the timeline do not add up');
  return { dayDate, dayFirst, ratio: new Uint8Array(bytes, 16 + days * 8, count) };
}

/** Lays out everything. Takes some tens of milliseconds for a million photos. */
export function layOut(skeleton: Skeleton, measures: Measures): Layout {
  const { dayFirst, ratio } = skeleton;
  const { target, gap, heading, dayGap } = measures;
  const width = Math.max(1, measures.width);
  const dayMin = Math.min(measures.dayMin, width);
  const days = dayFirst.length - 1;
  // A row holds at least one photo, so rows can never outnumber photos.
  const capacity = ratio.length;
  const rowY = new Float64Array(capacity + 1);
  const rowH = new Float32Array(capacity);
  const rowFirst = new Uint32Array(capacity + 1);
  const rowDay = new Uint32Array(capacity);
  const rowHeaded = new Uint8Array(capacity);
  let rows = 0;
  let y = 0;

  const put = (first: number, day: number, height: number, headed: boolean): void => {
    rowY[rows] = y;
    rowH[rows] = height;
    rowFirst[rows] = first;
    rowDay[rows] = day;
    rowHeaded[rows] = headed ? 1 : 0;
    y += (headed ? heading : 0) + height + gap;
    rows++;
  };

  // The row of small days that is being filled.
  let open = -1;
  let used = 0;
  let ratios = 0;
  const close = (): void => {
    if (open < 0) return;
    const fixed = used - ratios * target;
    const filling = (width - fixed) / ratios;
    put(dayFirst[open]!, open, filling <= target * STRETCH ? filling : target, true);
    open = -1;
  };

  for (let day = 0; day < days; day++) {
    const first = dayFirst[day]!;
    const end = dayFirst[day + 1]!;
    if (first === end) continue;
    let sum = 0;
    let natural = -gap;
    let i = first;
    for (; i < end && natural <= width; i++) {
      const r = RATIOS[ratio[i]!]!;
      sum += r;
      natural += r * target + gap;
    }
    if (i === end && natural <= width) {
      const block = Math.max(natural, dayMin);
      if (open >= 0 && used + dayGap + block > width) close();
      if (open < 0) {
        open = day;
        used = block;
        ratios = sum;
      } else {
        used += dayGap + block;
        ratios += sum;
      }
      continue;
    }
    close();
    let from = first;
    while (from < end) {
      let to = from;
      let total = 0;
      let height = Infinity;
      // Take pictures until the line is full, then keep the last one only where that comes nearer to the target.
      while (to < end) {
        const r = RATIOS[ratio[to]!]!;
        const next = (width - gap * (to - from)) / (total + r);
        if (next < target) {
          if (to === from || target - next < height - target) {
            total += r;
            height = next;
            to++;
          }
          break;
        }
        total += r;
        height = next;
        to++;
      }
      if (to === end && height > target * STRETCH) height = target;
      put(from, day, height, from === first);
      from = to;
    }
  }
  close();

  rowY[rows] = y;
  rowFirst[rows] = ratio.length;
  // There are far fewer rows than photos; what was set aside for more is given back.
  return {
    ...measures, width, rows, height: y,
    rowY: rowY.slice(0, rows + 1), rowH: rowH.slice(0, rows), rowFirst: rowFirst.slice(0, rows + 1),
    rowDay: rowDay.slice(0, rows), rowHeaded: rowHeaded.slice(0, rows),
  };
}

/** The last index whose value is not above `wanted`, in ascending `values[0..count]`. */
export function lastAtMost(values: Float64Array | Uint32Array, count: number, wanted: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! <= wanted) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

export const rowAt = (layout: Layout, y: number): number => Math.max(0, lastAtMost(layout.rowY, layout.rows, y));
export const rowOf = (layout: Layout, photo: number): number => Math.max(0, lastAtMost(layout.rowFirst, layout.rows, photo));
export const dayOf = (skeleton: Skeleton, photo: number): number =>
  Math.max(0, lastAtMost(skeleton.dayFirst, skeleton.dayFirst.length - 1, photo));

export interface Cell { index: number; x: number; w: number }
export interface Heading { day: number; x: number; w: number; first: number; count: number }
export interface RowBox { row: number; y: number; h: number; top: number; cells: Cell[]; headings: Heading[] }

/** The boxes of one row, computed only when it is shown. `top` is where pictures begin below the heading band. */
export function rowBox(skeleton: Skeleton, layout: Layout, row: number): RowBox {
  const { rowFirst, rowH, rowY, rowHeaded, rowDay, gap, target, dayGap, heading, width } = layout;
  const first = rowFirst[row]!;
  const end = rowFirst[row + 1]!;
  const h = rowH[row]!;
  const headed = rowHeaded[row] === 1;
  const cells: Cell[] = [];
  const headings: Heading[] = [];
  const { dayFirst, ratio } = skeleton;
  let x = 0;
  let i = first;
  for (let day = rowDay[row]!; i < end; day++) {
    const dayEnd = Math.min(end, dayFirst[day + 1]!);
    if (dayEnd <= i) continue;
    const start = x;
    let natural = -gap;
    for (; i < dayEnd; i++) {
      const r = RATIOS[ratio[i]!]!;
      const w = r * h;
      cells.push({ index: i, x, w });
      x += w + gap;
      natural += r * target + gap;
    }
    x -= gap;
    const packed = dayEnd === dayFirst[day + 1] && rowFirst[row]! <= dayFirst[day]!;
    if (packed && natural < layout.dayMin) x += Math.min(layout.dayMin, width) - natural;
    if (headed) {
      const count = dayFirst[day + 1]! - dayFirst[day]!;
      headings.push({ day, x: start, w: Math.max(0, Math.min(x, width) - start), first: dayFirst[day]!, count });
    }
    x += dayGap;
  }
  return { row, y: rowY[row]!, h, top: headed ? heading : 0, cells, headings };
}
