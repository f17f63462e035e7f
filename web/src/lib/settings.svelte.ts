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
  /** Whether the viewer shows what lies before and behind. */
  strip: 'on' | 'off';
}

const PLACE = 'safelight-look';
const DEFAULTS: Kept = { theme: 'auto', text: 100, motion: 'auto', language: 'auto', size: 'medium', strip: 'on' };
const CHOICES: { [K in keyof Kept]: readonly Kept[K][] } = {
  theme: ['auto', 'light', 'dark', 'contrast'],
  text: [100, 125, 150, 200],
  motion: ['auto', 'less'],
  language: ['auto', 'en', 'de', 'fr'],
  size: ['small', 'medium', 'large'],
  strip: ['on', 'off'],
};

function read(): Kept {
  const kept = { ...DEFAULTS };
  try {
    const found = JSON.parse(localStorage.getItem(PLACE) ?? '{}') as Record<string, unknown>;
    for (const key of Object.keys(DEFAULTS) as (keyof Kept)[]) {
      if ((CHOICES[key] as readonly unknown[]).includes(found[key])) Object.assign(kept, { [key]: found[key] });
    }
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
