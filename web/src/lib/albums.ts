// Which album can lie in which: the same for dragging and for choosing from a list.
import type { Album } from './types';

/** Whether `album` is `other`, or lies anywhere within it. */
export function liesIn(all: Album[], album: Album, other: Album): boolean {
  for (let at: Album | undefined = album; at; at = all.find((one) => one.id === at!.parent)) if (at.id === other.id) return true;
  return false;
}

/** Whether `into` can take `album`: not where it lies already, not into itself or what lies in it, not into what a search fills. */
export const takes = (all: Album[], into: Album, album: Album): boolean =>
  !into.query && album.parent !== into.id && !liesIn(all, into, album);
