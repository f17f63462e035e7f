import { t, type Key } from './i18n.svelte';

// A remote as `safelight remote list --json` tells it, as far as the pages read it.
export interface Remote {
  name: string; address: string;
  policy: { kind: string; only: string | null; older_days: number | null; tier: string | null; switches: number };
  synced_millis: number | null; last_error: string | null;
  safe_originals: number; waiting_originals: number; held_originals: number; local_originals: number; failed_originals: number;
}

/** The host or the kind of place that sees what rests there. */
export function provider(address: string): string {
  const kind = address.split(':', 1)[0] ?? '';
  const host = /^[a-z+]+:\/\/(?:[^@/]*@)?([^/?]+)/.exec(address)?.[1];
  const endpoint = /[?&]endpoint=https?:\/\/([^/&]+)/.exec(address)?.[1];
  return endpoint ?? (kind === 's3' ? 'Amazon S3' : kind === 'azure' ? 'Microsoft Azure' : kind === 'dropbox' ? 'Dropbox' : kind === 'gdrive' ? 'Google Drive' : kind === 'onedrive' ? 'OneDrive' : host ?? address);
}

const POLICIES: Record<string, Key> = { full: 'policy.full', selective: 'policy.selective', 'on-demand': 'policy.on-demand', 'archive-only': 'policy.archive-only' };

/** What a remote's policy sends there, in a few words. */
export const policyName = (kind: string): string => (POLICIES[kind] ? t(POLICIES[kind]) : kind);
