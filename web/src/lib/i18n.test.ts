import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import de from '../locales/de.json';
import en from '../locales/en.json';
import fr from '../locales/fr.json';

const root = join(import.meta.dirname, '..');
const sources = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.(svelte|ts)$/.test(file) && !file.endsWith('.test.ts'))
  .map((file) => readFileSync(join(root, file), 'utf8'));
const values = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!).sort();

describe.each([['German', de as Record<string, string>], ['French', fr as Record<string, string>]])('the %s catalogue', (_, catalogue) => {
  it('has every word of the English one and no other', () => {
    expect(Object.keys(catalogue).sort()).toEqual(Object.keys(en).sort());
  });

  it('leaves no word empty and names the same values', () => {
    for (const [key, text] of Object.entries(en)) {
      expect(catalogue[key], key).toBeTruthy();
      expect(values(catalogue[key]!), key).toEqual(values(text));
    }
  });
});

describe('the English catalogue', () => {
  it('has a singular wherever it has a plural', () => {
    for (const key of Object.keys(en).filter((one) => one.endsWith('.other') && !one.startsWith('kind.'))) expect(Object.keys(en)).toContain(key.replace(/other$/, 'one'));
  });

  it('says nothing that no page uses', () => {
    const all = sources.join('\n');
    const unused = Object.keys(en).filter((key) => {
      const stem = key.replace(/\.(one|other)$/, '');
      const family = stem.slice(0, stem.lastIndexOf('.') + 1);
      return !all.includes(`'${key}'`) && !all.includes(`'${stem}'`) && !(family && all.includes(`\`${family}\${`)) && key !== 'kind.other' && !/^empty\.\w+\.(title|text)$/.test(key);
    });
    expect(unused).toEqual([]);
  });
});
