// Names as they may stand on a page, by the same table as the command line's; and that no page shows one otherwise.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import table from './fixtures/shown.json';
import { t } from './i18n.svelte';
import { shown } from './shown';

const bare = (text: string): string => text.replace(/[\u2068\u2069]/g, '');

test('what turns the direction of text, and control characters, are written out as the command line writes them', () => {
  for (const one of table) expect(bare(shown(one.text))).toBe(one.shown);
});

test('what is written from right to left stands apart, and nothing else does', () => {
  expect(shown('שלום.jpg')).toBe('\u2068שלום.jpg\u2069');
  expect(shown('door.jpg')).toBe('door.jpg');
});

test('a name in a sentence is shown as one beside it, also in a sentence within another', () => {
  const inner = t('smart.kept', { album: 'שלום\u202e' });
  expect(inner).toContain('\u2068שלום\\u{202e}\u2069');
  expect(t('undone.of', { what: inner })).toContain(inner);
  expect(t('smart.kept', { album: '\u2068\u202e\u2069' })).toContain('\\u{2068}\\u{202e}\\u{2069}');
});

test('no page shows a name that came from elsewhere as it is', () => {
  const folder = join(import.meta.dirname, '..');
  const wrong: string[] = [];
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.svelte'))) {
    const markup = readFileSync(join(folder, file), 'utf8').replace(/<script[\s\S]*?<\/script>|<style>[\s\S]*?<\/style>/g, '');
    // What stands as it is, in text or in an attribute that people read or hear.
    for (const [, expression] of markup.matchAll(/(?:[>\s"}]|(?:aria-label|title|alt|label)=)\{(?![#/:@])([^{}]*)\}/g)) {
      if (/^[\w.?!]+\.(name|path|caption|title|device|remote|address|folder|place|last_error|lens|query)$/.test(expression!.split(/ \?\? | \|\| /)[0]!.trim())) wrong.push(`${file}: ${expression}`);
    }
  }
  expect(wrong).toEqual([]);
});
