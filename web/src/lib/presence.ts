// Whoever scrolls asks for nothing but thumbnails, which keep no library open: so the server is told that somebody is there.

/** How often at most, in milliseconds. */
export const EVERY = 30_000;

/** What somebody does who is there. */
export const INPUT = ['pointerdown', 'pointermove', 'wheel', 'keydown', 'touchstart', 'touchmove'] as const;

/** Answers what is to be called at each input; it tells at the first one, and then not again for a while. */
export function presence(tell: () => void, now: () => number = () => performance.now()): () => void {
  let told = -Infinity;
  return () => {
    if (now() - told < EVERY) return;
    told = now();
    tell();
  };
}
