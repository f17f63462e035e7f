// Words for states, in the language in use.
import { t, wallTime } from './i18n.svelte';
import { session } from './session.svelte';

/** What a sync word says to a reader: always in text, never only a colour. */
export function syncName(word: string): string {
  switch (word) {
    case 'local-only': return t('sync.local-only');
    case 'waiting': return t('sync.waiting');
    case 'synced': return t('sync.synced');
    case 'cloud-only': return t('sync.cloud-only');
    case 'elsewhere': return t('sync.elsewhere');
    case 'thawing': return t('sync.thawing');
    case 'failed': return t('sync.failed');
    default: return word;
  }
}

/** Whether it is worth saying that something is only here: not where there is no other place. */
export const hasPlaces = (): boolean => session.status?.state?.['in_fewer_than_two_places'] != null;

/** When something was taken; where nothing says so, the date of its file, by which it stands in the timeline, and that it is that. */
export const whenTaken = (taken: string | null, fileTime: string | null | undefined, style: 'short' | 'long' = 'short'): string =>
  taken ? wallTime(taken, style) : fileTime ? t('date.file', { when: wallTime(fileTime, style) }) : t('undated');
