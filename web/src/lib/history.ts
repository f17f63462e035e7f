// What was done with a photo, as a sentence of the reader's language. Only what the server has no code for shows as it says it.
import { t, wallTime, type Key } from './i18n.svelte';
import { shown, within } from './shown';
import type { Change } from './types';

const FIELDS: Record<string, Key> = {
  caption: 'field.caption', title: 'field.title', rating: 'field.rating', favourite: 'field.favourite', hidden: 'field.hidden', date: 'field.date', place: 'field.place', rotate: 'field.rotate', trashed: 'field.trashed', stack: 'field.stack',
  name: 'field.name', parent: 'field.parent', cover: 'field.cover', query: 'field.query', description: 'field.description', deleted: 'field.deleted', content: 'field.content', position: 'field.position', order: 'field.order',
};
/** A field's name; `place:KEY` is one of several. */
export function fieldName(field: string): string {
  const [word = '', ...key] = field.split(':');
  return FIELDS[word] ? [t(FIELDS[word]), ...key.map(shown)].join(' ') : shown(field);
}

const SWITCHED: Record<string, [Key, Key]> = { favourite: ['history.favourite.on', 'history.favourite.off'], hidden: ['history.hidden.on', 'history.hidden.off'], trashed: ['history.trashed.on', 'history.trashed.off'] };
const SAID: Record<string, Key> = {
  added: 'history.added', 'new-version': 'history.new-version', merged: 'history.merged', 'merged-no-more': 'history.merged-no-more', 'put-in': 'history.put-in', 'taken-out': 'history.taken-out', tagged: 'history.tagged', untagged: 'history.untagged',
  'found-again': 'history.found-again', 'back-at': 'history.back-at', 'gone-from': 'history.gone-from', 'moved-to': 'history.moved-to', 'gone-to': 'history.gone-to',
};

function written(field: string, value: string): string {
  const switched = SWITCHED[field];
  if (switched) return t(switched[value === 'true' ? 0 : 1]);
  if (field === 'rating') return value === '0' ? t('history.unrated') : value === '-1' ? t('history.rejected') : t('history.rated', { n: Number(value) });
  if (field === 'rotate') return value === '0' ? t('history.upright') : t('history.turned', { degrees: Number(value) * 90 });
  if (field === 'stack') return t('history.stacked');
  return t('history.set', { field: fieldName(field), value: field === 'date' ? wallTime(value) : value });
}

function cleared(field: string): string {
  if (SWITCHED[field]) return t(SWITCHED[field][1]);
  if (field === 'rating') return t('history.unrated');
  if (field === 'rotate') return t('history.upright');
  return field === 'stack' ? t('history.unstacked') : t('history.cleared', { field: fieldName(field) });
}

export function changeText(change: Change): string {
  const values = change.why?.values ?? {};
  const field = values['field'];
  if (change.why?.code === 'set' && field) return written(field, values['value'] ?? '');
  if (change.why?.code === 'cleared' && field) return cleared(field);
  const said = change.why ? SAID[change.why.code] : undefined;
  return said ? t(said, values) : within(change.what);
}
