// Scrolling past the height that browsers can give an element.
//
// Browsers cut elements off at about 2^24 device pixels. Above a safe part of that, the page's own scroll
// position (`physical`) and the place in the library (`top`) part ways: small steps move both alike, large
// ones (the scroll bar, End) count as a share of the whole, and when the reader rests, the physical position
// is put back where it belongs. Pure: the caller reads and writes the element.

const SAFE_HEIGHT = 15_000_000;

export interface ScrollState {
  /** Height of everything, in CSS pixels. */
  height: number;
  /** Height of the window onto it. */
  view: number;
  /** Height the element really gets. */
  spacer: number;
  /** Where the window stands in everything. */
  top: number;
  /** Where the element is scrolled to. */
  physical: number;
}

export const span = (state: ScrollState): number => Math.max(0, state.height - state.view);
const reach = (state: ScrollState): number => Math.max(0, state.spacer - state.view);

/** A window of `view` onto `height`, standing at `top`. */
export function openScroll(height: number, view: number, top: number, devicePixelRatio: number): ScrollState {
  const spacer = Math.min(height, SAFE_HEIGHT / Math.max(1, devicePixelRatio));
  const state: ScrollState = { height, view, spacer, top: 0, physical: 0 };
  return moveTo(state, top);
}

/** The state after jumping to `top`. The caller sets the element's scroll position to `physical`. */
export function moveTo(state: ScrollState, top: number): ScrollState {
  const clamped = Math.min(Math.max(0, top), span(state));
  const physical = state.spacer === state.height || span(state) === 0 ? clamped : (clamped / span(state)) * reach(state);
  return { ...state, top: clamped, physical };
}

/** The state after the element scrolled to `physical`. Where `physical` of the answer differs, the caller sets it. */
export function scrolled(state: ScrollState, physical: number): ScrollState {
  if (state.spacer === state.height) return { ...state, top: Math.min(Math.max(0, physical), span(state)), physical };
  const step = physical - state.physical;
  if (Math.abs(step) >= 2 * state.view) return moveTo({ ...state, physical }, (physical / reach(state)) * span(state));
  const top = Math.min(Math.max(0, state.top + step), span(state));
  const moved = { ...state, top, physical };
  // Ran into one end of the element, or of the library, without being at the other's: put it right at once.
  const atEdge = physical <= 0 || physical >= reach(state) - 1;
  const atEnd = top <= 0 || top >= span(state);
  return atEdge !== atEnd || (atEdge && (physical <= 0) !== (top <= 0)) ? moveTo(moved, top) : moved;
}

/** What to add to a place in the library to get its place in the element: the same number for as long as both move alike. */
export const shift = (state: ScrollState): number => Math.round((state.physical - state.top) * 16) / 16;
