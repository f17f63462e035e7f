// French sets a narrow no-break space before high marks and within its quotation marks, and a no-break space before a
// colon: no mark begins a line, and none stands at a quotation mark's side alone.
import { describe, expect, it } from 'vitest';
import fr from '../locales/fr.json';
import ofPages from '../locales/pages/fr.json';
import reasons from '../locales/reasons/fr.json';

const NARROW = '\u202f';
const FIXED = '\u00a0';

/** What a program reads as it stands: addresses, times and offsets, filters such as `tag:sea`, and values in braces. */
const PLAIN = /https?:\/\/\S+|\d+:\d\d|[\w}]+:(?=[^\s]|\u202f»)/g;

/** The places where a space is lacking, or is another one than it should be; each with what stands around it. */
function misplaced(text: string): string[] {
  const words = text.replace(PLAIN, (plain) => '·'.repeat(plain.length));
  const wrong = [/(?<!\u202f)[;?!»]/g, /«(?!\u202f)/g, /(?<!\u00a0)[:%]/g, /[\u00a0\u202f](?![;?!»:%])(?<!«\u202f)/g];
  return wrong.flatMap((mark) => [...words.matchAll(mark)].map(({ index }) => text.slice(Math.max(0, index - 12), index + 12)));
}

describe('French typography', () => {
  it.each([['at once', fr], ['of pages', ofPages], ['of reasons', reasons]] as [string, Record<string, string>][])('holds in every message: %s', (_, catalogue) => {
    const found = Object.entries(catalogue).flatMap(([key, text]) => misplaced(text).map((where) => `${key}: ${where}`));
    expect(found).toEqual([]);
  });

  it('is told from what programs read, and a wrong space is found', () => {
    const right = `«${NARROW}mer${NARROW}»${NARROW}; quand${NARROW}? Voici${FIXED}: tag:mer 10:30 +02:00 https://a.b:80/c «${NARROW}{key}:${NARROW}» à 3${FIXED}%`;
    expect(misplaced(right)).toEqual([]);
    for (const wrong of ['«mer', 'mer »', 'mer ;', 'mer;', 'mer ?', 'mer!', 'mer : là', 'mer: là', `mer${NARROW}: là`, `mer${FIXED}; là`, '3 %', `la${FIXED}mer`]) expect(misplaced(wrong), wrong).not.toEqual([]);
  });
});
