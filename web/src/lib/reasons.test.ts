import { afterEach, describe, expect, it, vi } from 'vitest';
import de from '../locales/reasons/de.json';
import fr from '../locales/reasons/fr.json';
import { chooseLanguage } from './i18n.svelte';
import { because, filled, problemText } from './reasons';
import { settings } from './settings.svelte';

const names = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!).sort();

describe('the sentences for reasons', () => {
  it('are the same in German and French, and name the same values', () => {
    expect(Object.keys(de)).toEqual(Object.keys(fr));
    for (const code of Object.keys(de)) if (code.startsWith('next:')) expect(de).toHaveProperty([code.slice(5)]);
    for (const [code, text] of Object.entries(de)) {
      const other = (fr as Record<string, string>)[code]!;
      expect(new Set(names(text)), code).toEqual(new Set(names(other)));
      expect(text.split('[').length, code).toBe(other.split('[').length);
    }
  });

  it('name what they name', () => {
    expect(filled('{place} ist voll.', { place: 'nas' })).toBe('nas ist voll.');
    expect(filled('Es {was} dort.', { was: 'missing' }, (_, value) => (value === 'missing' ? 'fehlt' : null))).toBe('Es fehlt dort.');
  });

  it('leave out an aside whose value is not known, and are not shown where another is not', () => {
    expect(filled('Illisible.[ ({detail})]', {})).toBe('Illisible.');
    expect(filled('Illisible.[ ({detail})]', { detail: 'EIO' })).toBe('Illisible. (EIO)');
    expect(filled('{place} ist voll.', {})).toBeNull();
    expect(filled('Es {was} dort.', { was: 'eaten' }, () => null)).toBeNull();
    expect(filled('{toString}', {})).toBeNull();
  });

  afterEach(() => { vi.unstubAllGlobals(); });
  it('say what to do next in the reader’s language too, where the server says it', async () => {
    vi.stubGlobal('document', { documentElement: { lang: 'en' } });
    settings.language = 'de';
    await chooseLanguage();
    const refused = { message: 'the credential of nas may not delete objects', hint: 'give it another', why: { code: 'may-not-delete', values: { place: 'nas' } } };
    expect(problemText(refused)).toBe('Der Zugang zu nas darf nichts löschen. Geben Sie dem Ort für dieses eine Mal einen Zugang, der löschen darf.');
    expect(problemText({ ...refused, hint: null })).toBe('Der Zugang zu nas darf nichts löschen.');
    expect(problemText({ message: 'interrupted', hint: 'again', why: { code: 'interrupted', values: {} } })).toBe('Unterbrochen. Beginnen Sie noch einmal: Es geht weiter, wo es aufhörte.');
    settings.language = 'en';
    await chooseLanguage();
  });

  it('give way to the sentence of the server where there is none', () => {
    expect(because(null, 'it was not sent yet')).toBe('it was not sent yet');
    expect(because({ code: 'constructor', values: {} }, 'it was not sent yet')).toBe('it was not sent yet');
    expect(problemText({ message: 'nas is full', hint: 'make room there' })).toBe('nas is full; make room there');
  });
});
