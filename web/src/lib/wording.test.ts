// The words of the German and French pages: one word for one thing, and the quotation marks of the language.
import { describe, expect, it } from 'vitest';
import de from '../locales/de.json';
import en from '../locales/en.json';
import fr from '../locales/fr.json';
import deOfPages from '../locales/pages/de.json';
import enOfPages from '../locales/pages/en.json';
import frOfPages from '../locales/pages/fr.json';
import deReasons from '../locales/reasons/de.json';
import frReasons from '../locales/reasons/fr.json';

type Words = Record<string, string>;
const german: Words = { ...deReasons, ...deOfPages, ...de };
const english: Words = { ...enOfPages, ...en };
const french: Words = { ...frReasons, ...frOfPages, ...fr };
const those = (words: Words, wrong: RegExp): string[] => Object.entries(words).filter(([, text]) => wrong.test(text)).map(([key, text]) => `${key}: ${text}`);

describe('the German words', () => {
  it('say sealed, tag, computer and history in one way', () => {
    expect(those(german, /verschlüssel|Stichw|Rechner\b|Geschichte\b|Hereingekommen|hereinkopier|Köpfe|Abgeglichen|bildchen/)).toEqual([]);
  });
  it('say passphrase in one way', () => {
    expect(those(german, /Passphrase/)).toEqual([]);
  });
  it('quote as German does', () => {
    expect(those(german, /["']|„[^“]*$/)).toEqual([]);
  });
});

describe('the French words', () => {
  it('say library, timeline, hidden, cloud and computer in one way', () => {
    expect(those(french, /photothèque|\bfrise\b|\bCachée|\bnuage|\bmachine\b|chiffrée? /)).toEqual([]);
  });
  it('quote as French does', () => {
    expect(those(french, /["']|[“”]/)).toEqual([]);
  });
});

it('a number of photos is told in the singular and in the plural', () => {
  const counted = /\{n\} (photos?|originals?|Fotos?|Originale?)(?![\p{L}{])/u;
  for (const words of [english, german, french]) expect(those(words, counted).filter((told) => !/^[^:]*\.(one|other): /.test(told))).toEqual([]);
  for (const words of [english, german, french]) expect(those(words, /\{n\} (photos|originals|originaux|Fotos|Originale)(?!\p{L})/u).filter((told) => !/^[^:]*\.other: /.test(told))).toEqual([]);
});

it('nothing is said to be whole that nobody has looked at', () => {
  for (const words of [german, french]) for (const key of ['viewer.undecodable', 'proxy.failed', 'proxy.note', 'proxy.why']) expect(words[key]).not.toMatch(/\bganz\b|entier/);
});
