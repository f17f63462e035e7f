import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import de from '../locales/reasons/de.json';
import fr from '../locales/reasons/fr.json';
import { chooseLanguage } from './i18n.svelte';
import { because, filled, leftOut, problemText } from './reasons';
import { settings } from './settings.svelte';

const checkout = join(import.meta.dirname, '../../..');
/** The codes of docs/codes.md with the values of each, by section; what history says has its words in the other catalogues. */
const sections = new Map<string, Map<string, Set<string>>>();
for (const part of readFileSync(join(checkout, 'docs/codes.md'), 'utf8').split(/^## /m).slice(1)) {
  const [title, ...lines] = part.split('\n');
  if (title!.startsWith('What history says')) continue;
  const rows = lines.map((line) => /^\| `([a-z-]+)` \|([^|]*)\|/.exec(line)).filter((row) => row !== null);
  sections.set(title!, new Map(rows.map(([, code, values]) => [code!, new Set([...values!.matchAll(/`(\w+)`/g)].map((match) => match[1]!))])));
}
const all = new Map([...sections.values()].flatMap((codes) => [...codes]));
/** Sections of what is not refused, so that nothing is said to be done next. */
const PLAIN = ['How an original stands', 'Why the bytes of', 'What a file is', 'What an import tells', 'What a place can do', 'What a sync tells', 'What was left out', 'Why there is no preview', 'Why duplicates are not', 'Why a query', 'What comes of a device'];

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

  it.each([['German', de], ['French', fr]] as [string, Record<string, string>][])('are there in %s for every code there is, and name only what it names', (_, sentences) => {
    expect(all.size).toBeGreaterThan(290);
    for (const [code, values] of all) {
      expect(sentences, code).toHaveProperty([code]);
      for (const text of [sentences[code], sentences[`next:${code}`] ?? '']) for (const name of names(text!)) expect(values, code).toContain(name);
    }
    const known = (key: string): boolean => all.has(key) || /^(was|field|keep|passphrase|kind):/.test(key) || (key.startsWith('next:') && all.has(key.slice(5)));
    expect(Object.keys(sentences).filter((key) => !known(key))).toEqual([]);
  });

  it.each([['German', de], ['French', fr]] as [string, Record<string, string>][])('say in %s what to do next of everything that is refused, or are marked as saying it themselves', (_, sentences) => {
    for (const [title, codes] of sections) {
      if (PLAIN.some((plain) => title.startsWith(plain))) continue;
      for (const code of codes.keys()) expect(sentences, `${title}: ${code}`).toHaveProperty([`next:${code}`]);
    }
  });

  it('are there for every kind of failure that a gallery answers', () => {
    const folder = join(checkout, 'crates/server/src');
    const rust = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8')).join('\n');
    const kinds = [...rust.matchAll(/(?:Failure::new\(\s*StatusCode::\w+,|failure\.code =|=> \(StatusCode::\w+,)\s*"([a-z-]+)"/g)].map((match) => match[1]!);
    expect(new Set(kinds)).toContain('cannot-undo');
    for (const kind of kinds) for (const sentences of [de, fr]) expect(sentences).toHaveProperty([`kind:${kind}`]);
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
    const toFolder = { message: 'no space left to write /a', hint: 'free some space', why: { code: 'no-space', values: { path: '/a' } } };
    expect(problemText(toFolder)).toBe('Für /a ist kein Platz mehr auf dem Datenträger. Schaffen Sie Platz, und versuchen Sie es noch einmal; es geht weiter, wo es aufhörte.');
    expect(problemText({ message: 'nas is full', hint: 'make room there', why: { code: 'place-full', values: { place: 'nas', what: 'write a' } } })).toBe('nas ist voll: Schaffen Sie dort Platz.');
    expect(problemText({ code: 'refused', message: 'the moon is full', hint: 'wait' })).toBe('Das wird abgelehnt. (the moon is full)');
    expect(leftOut({ told: [{ weight: 'notice', reason: 'some of it cannot be taken back', why: { code: 'undo-no-way', values: {} } }], notices: ['some of it cannot be taken back'] }))
      .toEqual(['Einiges davon lässt sich nicht rückgängig machen.']);
    settings.language = 'en';
    await chooseLanguage();
  });

  it('are sentences in English too, and say what to do here instead of a command', () => {
    const looked = { message: 'it was looked for and found in no remote', hint: 'run safelight sync there', why: { code: 'unheard-of', values: {} } };
    expect(problemText(looked)).toBe('It was looked for and found in no remote. Run safelight sync there');
    expect(problemText({ message: 'nas is full', hint: 'make room', why: { code: 'unheard-of', values: { place: 'nas' } } })).toBe('nas is full. Make room');
    expect(problemText({ message: '/a/b cannot be read', why: { code: 'unheard-of', values: {} } })).toBe('/a/b cannot be read');
    expect(problemText({ code: 'refused', message: 'the moon is full', hint: 'wait for the sun' })).toBe('The moon is full. Wait for the sun');
    expect(problemText({ code: 'failed', message: 'another sync runs already' })).toBe('Another sync runs already');
    expect(problemText({ code: 'failed', message: 'theatre.jpg cannot be read' })).toBe('theatre.jpg cannot be read');
    const next = JSON.parse(readFileSync(join(checkout, 'web/src/locales/reasons/en.json'), 'utf8')) as Record<string, string>;
    for (const [key, text] of Object.entries(next)) {
      expect(de, key).toHaveProperty([key]);
      expect(text, key).not.toMatch(/safelight [a-z]/);
    }
  });

  it('give way to the sentence of the server where there is none', () => {
    expect(because(null, 'it was not sent yet')).toBe('it was not sent yet');
    expect(because({ code: 'constructor', values: {} }, 'it was not sent yet')).toBe('it was not sent yet');
    expect(problemText({ message: 'nas is full', hint: 'make room there' })).toBe('nas is full. Make room there');
  });
});
