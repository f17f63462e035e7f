// Zooming and moving a picture in a stage. `x` and `y` move its middle away from the stage's middle.

export interface View { scale: number; x: number; y: number }
/** The stage, the picture in it at scale 1 (as turned), and the most it may be enlarged. */
export interface Bounds { width: number; height: number; w: number; h: number; most: number }

/** The largest size of a picture of `ratio` in a stage, never beyond twice its own pixels. */
export function fit(ratio: number, width: number, height: number, pixels: number): { w: number; h: number } {
  const w = Math.min(width, height * ratio, pixels * 2);
  return { w, h: w / ratio };
}

/** A picture larger than the stage covers it; a smaller one stays in the middle. */
function keep(view: View, bounds: Bounds): View {
  const reachX = Math.max(0, (bounds.w * view.scale - bounds.width) / 2);
  const reachY = Math.max(0, (bounds.h * view.scale - bounds.height) / 2);
  const within = (value: number, reach: number): number => (reach === 0 ? 0 : Math.min(reach, Math.max(-reach, value)));
  return { scale: view.scale, x: within(view.x, reachX), y: within(view.y, reachY) };
}

/** Enlarges by `factor` so that the point of the picture under `at` stays there. */
export function zoomAt(view: View, factor: number, at: { x: number; y: number }, bounds: Bounds): View {
  const scale = Math.min(bounds.most, Math.max(1, view.scale * factor));
  const grown = scale / view.scale;
  const fromX = at.x - bounds.width / 2;
  const fromY = at.y - bounds.height / 2;
  return keep({ scale, x: fromX - (fromX - view.x) * grown, y: fromY - (fromY - view.y) * grown }, bounds);
}

export const pan = (view: View, dx: number, dy: number, bounds: Bounds): View => keep({ scale: view.scale, x: view.x + dx, y: view.y + dy }, bounds);
