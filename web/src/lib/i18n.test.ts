import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import de from '../locales/de.json';
import en from '../locales/en.json';
import fr from '../locales/fr.json';
import deOfPages from '../locales/pages/de.json';
import enOfPages from '../locales/pages/en.json';
import frOfPages from '../locales/pages/fr.json';
import { bytes } from './i18n.svelte';

type Words = Record<string, string>;
const english: Words = { ...en, ...enOfPages };

const root = join(import.meta.dirname, '..');
const sources = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.(svelte|ts)$/.test(file) && !file.endsWith('.test.ts'))
  .map((file) => readFileSync(join(root, file), 'utf8'));
const values = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!).sort();

/** The sources that every visit fetches: main.ts, and what is imported from there without being waited for. */
function atOnce(): string[] {
  const found = new Set<string>();
  const look = (file: string): void => {
    if (found.has(file)) return;
    found.add(file);
    for (const [, path] of readFileSync(join(root, file), 'utf8').matchAll(/^\s*import (?!type)(?:[^;']*? from )?'(\.[^']+)'/gm)) {
      const near = join(dirname(file), path!);
      const there = [near, `${near}.ts`, `${near}.svelte.ts`].find((one) => /\.(svelte|ts)$/.test(one) && existsSync(join(root, one)));
      if (there) look(there);
    }
  };
  look('main.ts');
  return [...found];
}

describe.each([['German', de, deOfPages], ['French', fr, frOfPages]] as [string, Words, Words][])('the %s catalogue', (_, first, ofPages) => {
  const catalogue: Words = { ...first, ...ofPages };

  it('has every word of the English one and no other, in the same file', () => {
    expect(Object.keys(first).sort()).toEqual(Object.keys(en).sort());
    expect(Object.keys(ofPages).sort()).toEqual(Object.keys(enOfPages).sort());
  });

  it('leaves no word empty and names the same values', () => {
    for (const [key, text] of Object.entries(english)) {
      expect(catalogue[key], key).toBeTruthy();
      expect(values(catalogue[key]!), key).toEqual(values(text));
    }
  });
});

describe('the English catalogue', () => {
  it('has a singular wherever it has a plural', () => {
    for (const key of Object.keys(english).filter((one) => one.endsWith('.other') && !one.startsWith('kind.'))) expect(Object.keys(english)).toContain(key.replace(/other$/, 'one'));
  });

  it('says each thing in one of its two files', () => {
    expect(Object.keys(en).filter((key) => key in enOfPages)).toEqual([]);
  });

  it('has what is there at once in the file that is there at once', () => {
    const early = atOnce();
    expect(early).toContain('pages/Photos.svelte');
    expect(early).not.toContain('pages/Albums.svelte');
    const all = early.map((file) => readFileSync(join(root, file), 'utf8')).join('\n');
    expect(Object.keys(enOfPages).filter((key) => all.includes(`'${key.replace(/\.(one|other)$/, '')}'`))).toEqual([]);
  });

  it('says nothing that no page uses', () => {
    const all = sources.join('\n');
    const unused = Object.keys(english).filter((key) => {
      const stem = key.replace(/\.(one|other)$/, '');
      const family = stem.slice(0, stem.lastIndexOf('.') + 1);
      return !all.includes(`'${key}'`) && !all.includes(`'${stem}'`) && !(family && all.includes(`\`${family}\${`)) && key !== 'kind.other' && !/^empty\.\w+\.(title|text)$/.test(key);
    });
    expect(unused).toEqual([]);
  });
});

it('says bytes in the plural', () => {
  expect([bytes(1), bytes(80), bytes(2_000)]).toEqual(['1 byte', '80 bytes', '2 kB']);
});
