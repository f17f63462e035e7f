// How the pages look. The only thing the gallery keeps in the browser: no name, no photo, no query.

export type Theme = 'auto' | 'light' | 'dark' | 'contrast';
interface Kept {
  theme: Theme;
  /** Per cent of the browser's own text size. */
  text: 100 | 125 | 150 | 200;
  motion: 'auto' | 'less';
  language: 'auto' | 'en' | 'de' | 'fr';
  /** How tall rows of the timeline are. */
  size: 'small' | 'medium' | 'large';
  /** Which photos of the timeline say where they are: every one, or only those that are not simply safe or only here. */
  badges: 'all' | 'news';
  /** Whether the viewer shows what lies before and behind. */
  strip: 'on' | 'off';
  /** Letters that were moved, each with the key that it lies on now; an empty one lies on none. */
  keys: Readonly<Record<string, string>>;
}

const PLACE = 'safelight-look';
const DEFAULTS: Kept = { theme: 'auto', text: 100, motion: 'auto', language: 'auto', size: 'medium', badges: 'all', strip: 'on', keys: {} };
const CHOICES: { [K in Exclude<keyof Kept, 'keys'>]: readonly Kept[K][] } = {
  theme: ['auto', 'light', 'dark', 'contrast'],
  text: [100, 125, 150, 200],
  motion: ['auto', 'less'],
  language: ['auto', 'en', 'de', 'fr'],
  size: ['small', 'medium', 'large'],
  badges: ['all', 'news'],
  strip: ['on', 'off'],
};

function read(): Kept {
  const kept = { ...DEFAULTS };
  try {
    const found = JSON.parse(localStorage.getItem(PLACE) ?? '{}') as Record<string, unknown>;
    for (const key of Object.keys(CHOICES) as (keyof typeof CHOICES)[]) {
      if ((CHOICES[key] as readonly unknown[]).includes(found[key])) Object.assign(kept, { [key]: found[key] });
    }
    const keys = Object.entries((found['keys'] ?? {}) as Record<string, unknown>).filter(([letter, key]) => /^[a-z]$/.test(letter) && /^[a-z]?$/.test(String(key)));
    kept.keys = Object.fromEntries(keys.map(([letter, key]) => [letter, String(key)]));
  } catch {
    // A browser that keeps nothing, or something else under our name: the defaults are good.
  }
  return kept;
}

export const settings = $state<Kept>(read());

/** Pixels of a line of text, by which whatever grows with the text is measured. */
export const rem = (): number => (settings.text / 100) * 16;

export function change(changes: Partial<Kept>): void {
  Object.assign(settings, changes);
  try {
    localStorage.setItem(PLACE, JSON.stringify(settings));
  } catch {
    // Holds for this page only.
  }
  applyLook();
}

/** Puts theme, text size and motion onto the document. */
export function applyLook(): void {
  const root = document.documentElement;
  root.dataset['theme'] = settings.theme;
  root.dataset['motion'] = settings.motion;
  root.style.fontSize = `${settings.text}%`;
}

export const lessMotion = (): boolean =>
  settings.motion === 'less' || matchMedia('(prefers-reduced-motion: reduce)').matches;
