// By which date a photo stands in the timeline, and what that is called: where nothing says when it was taken, it is the
// date of its file, and no page calls that *taken*.
import { t, wallTime } from './i18n.svelte';

export interface Dated { taken: string | null; taken_from?: string | null; file_time?: string | null }

/** `none` where there is no date at all. */
export type Source = 'taken' | 'file' | 'none';

export function sourceOfDate({ taken, taken_from: from, file_time: fileTime }: Dated): Source {
  if (taken && from !== 'FileTime') return 'taken';
  return (taken ?? fileTime) ? 'file' : 'none';
}

/** The date alone; what it is stands beside it. */
export const dateOf = (dated: Dated, style: 'short' | 'long' = 'short'): string => {
  const date = dated.taken ?? dated.file_time;
  return date ? wallTime(date, style) : t('undated');
};

/** What the dates of one line are called: by their own name where all are of one kind, else each says what it is. */
export function nameOfDates(sources: Source[]): string {
  if (!sources.includes('file')) return t('field.taken');
  return t(sources.includes('taken') ? 'field.date' : 'field.file_date');
}

/** A date in a line that holds dates of both kinds. */
export const dateAmong = (dated: Dated, sources: Source[]): string =>
  (sourceOfDate(dated) === 'file' && sources.includes('taken') ? t('date.file', { when: dateOf(dated) }) : dateOf(dated));
