// A search whose words stand for their beginnings too: `knock` finds no `door-knocker`, `knock*` does.

/** The same search with every plain word widened; null where there is none. Words with a key, in quotes or with a star mean what they say. */
export function widened(q: string): string | null {
  const words = q.match(/(?:[^\s"]|"[^"]*"?)+/g) ?? [];
  const wider = words.map((word) => (/^[\p{L}\p{N}][\p{L}\p{N}\p{M}'’_-]*$/u.test(word) && !/^(?:and|or|not)$/i.test(word) ? `${word}*` : word));
  const text = wider.join(' ');
  return text === words.join(' ') ? null : text;
}
