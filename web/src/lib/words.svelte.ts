// Words for states, in the language in use.
import { t } from './i18n.svelte';

/** What a sync word says to a reader: always in text, never only a colour. */
export function syncName(word: string): string {
  switch (word) {
    case 'local-only': return t('sync.local-only');
    case 'waiting': return t('sync.waiting');
    case 'synced': return t('sync.synced');
    case 'cloud-only': return t('sync.cloud-only');
    case 'thawing': return t('sync.thawing');
    case 'failed': return t('sync.failed');
    default: return word;
  }
}
