// The words of the pages, from two catalogue files a language: one for what is there at once, one (in `pages/`) for
// pages that are fetched when they are opened. The first of English is built in; the others are fetched from the same
// server when asked for. `{name}` stands for a value; `key.one` and `key.other` are chosen by `n`.
import en from '../locales/en.json';
import type ofPages from '../locales/pages/en.json';
import { settings } from './settings.svelte';
import { within } from './shown';

type Word = keyof typeof en | keyof typeof ofPages;
export type Key = Word | PluralKey;
type PluralKey = Word extends infer K ? (K extends `${infer Stem}.other` ? Stem : never) : never;
type Catalogue = Record<string, string>;

export const LANGUAGES = { en: 'English', de: 'Deutsch', fr: 'Français' } as const;
export type Language = keyof typeof LANGUAGES;

const others: Record<Exclude<Language, 'en'>, () => Promise<{ default: Catalogue }>> = {
  de: () => import('../locales/de.json'),
  fr: () => import('../locales/fr.json'),
};

const further: Record<Language, () => Promise<{ default: Catalogue }>> = {
  en: () => import('../locales/pages/en.json'),
  de: () => import('../locales/pages/de.json'),
  fr: () => import('../locales/pages/fr.json'),
};

/** Sentences for the codes of reasons; English has the server's own, and says only what to do next where the server names a command. */
const reasons: Record<Language, () => Promise<{ default: Catalogue }>> = {
  en: () => import('../locales/reasons/en.json'),
  de: () => import('../locales/reasons/de.json'),
  fr: () => import('../locales/reasons/fr.json'),
};

const state = $state<{ language: Language; words: Catalogue; reasons: Catalogue }>({ language: 'en', words: en, reasons: {} });

/** The language in use: the one chosen in the settings, else the browser's, else English. */
export const language = (): Language => state.language;

/** The language that is in use or on its way; read where nothing should depend on it. */
let chosen: Language = 'en';
/** Whether a page that brings words of its own was opened. */
let paged = false;

export async function chooseLanguage(): Promise<void> {
  const wanted = settings.language === 'auto' ? navigator.language.slice(0, 2) : settings.language;
  chosen = wanted === 'de' || wanted === 'fr' ? wanted : 'en';
  await speak();
}

async function speak(): Promise<void> {
  const wanted = chosen;
  const words = wanted === 'en' ? en : (await others[wanted]()).default;
  const all = paged ? { ...words, ...(await further[wanted]()).default } : words;
  const why = wanted === 'en' && !paged ? {} : (await reasons[wanted]()).default;
  if (wanted !== chosen) return;
  state.words = all;
  state.reasons = why;
  state.language = wanted;
  document.documentElement.lang = wanted;
}

let spoken: Promise<void> | null = null;
/** A page or a dialog that is fetched when it is opened, with its words. */
export async function paging<T>(part: Promise<T>): Promise<T> {
  paged = true;
  // Apart from whoever asks: a page does not come anew because its language does.
  // Words that could not be fetched are fetched again by the next one.
  spoken ??= Promise.resolve().then(speak).catch((cause: unknown) => { spoken = null; throw cause; });
  const [found] = await Promise.all([part, spoken]);
  return found;
}

export function t(key: Key, values: Record<string, string | number> = {}): string {
  let text = state.words[key];
  if (text === undefined && typeof values['n'] === 'number') {
    const form = made('plural', () => new Intl.PluralRules(state.language)).select(values['n']);
    text = state.words[`${key}.${form}`] ?? state.words[`${key}.other`];
  }
  text ??= (en as Catalogue)[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === 'number' ? number(value) : within(value);
  });
}

/** The sentence for a code of a reason, in the language in use; none in English. */
export const reasonFor = (code: string): string | undefined => (Object.hasOwn(state.reasons, code) ? state.reasons[code] : undefined);

/** What formats a value is dear to make, and one of a kind will do: a timeline that scrolls asks for hundreds a second. */
const makers = new Map<string, unknown>();
function made<T>(kind: string, make: () => T): T {
  const key = state.language + kind;
  let one = makers.get(key) as T | undefined;
  if (!one) makers.set(key, one = make());
  return one;
}
const numbers = (options: Intl.NumberFormatOptions): Intl.NumberFormat => made(JSON.stringify(options), () => new Intl.NumberFormat(state.language, options));

export const number = (value: number): string => numbers({}).format(value);

/** `2K`: a number where there is little room. */
export const compact = (value: number): string => numbers({ notation: 'compact', maximumFractionDigits: 0 }).format(value);

export function bytes(value: number): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;
  let at = 0;
  while (value >= 1000 && at < units.length - 1) { value /= 1000; at++; }
  return numbers({ style: 'unit', unit: units[at]!, unitDisplay: at === 0 ? 'long' : 'short', maximumFractionDigits: value < 10 && at > 0 ? 1 : 0 }).format(value);
}

/** US dollars; a little is said as less than a cent. */
export function dollars(value: number): string {
  const said = (amount: number): string => numbers({ style: 'currency', currency: 'USD' }).format(amount);
  return value > 0 && value < 0.01 ? `< ${said(0.01)}` : said(value);
}

/** A moment by the clock here. */
export const moment = (millis: number): string => new Intl.DateTimeFormat(state.language, { dateStyle: 'medium', timeStyle: 'short' }).format(millis);

const format = (options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat =>
  made(JSON.stringify(options), () => new Intl.DateTimeFormat(state.language, { timeZone: 'UTC', ...options }));

/** A day of the skeleton (`yyyymmdd`); without the year where it is this year. */
export function dayName(day: number, style: 'short' | 'long' | 'month' | 'year' = 'short'): string {
  if (day === 0) return t('undated');
  const year = Math.floor(day / 10_000);
  const date = new Date(Date.UTC(year, Math.floor(day / 100) % 100 - 1, day % 100));
  if (style === 'year') return format({ year: 'numeric' }).format(date);
  if (style === 'month') return format({ year: 'numeric', month: 'long' }).format(date);
  if (style === 'long') return format({ weekday: 'long', year: 'numeric', month: 'long', day: 'numeric' }).format(date);
  return format(year === new Date().getFullYear()
    ? { weekday: 'short', month: 'short', day: 'numeric' }
    : { weekday: 'short', month: 'short', day: 'numeric', year: 'numeric' }).format(date);
}

/** A moment by the clock on the wall where the picture was taken, whatever zone the reader sits in. */
export function wallTime(iso: string, style: 'short' | 'long' = 'short'): string {
  const match = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d))?/.exec(iso);
  if (!match) return iso;
  const [, year, month, day, hour = '0', minute = '0'] = match;
  const date = new Date(Date.UTC(+year!, +month! - 1, +day!, +hour, +minute));
  return format({ dateStyle: style === 'long' ? 'full' : 'medium', timeStyle: 'short' }).format(date);
}

/** `3:07` of a video. */
export function duration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  return hours > 0
    ? `${hours}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
    : `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
}
