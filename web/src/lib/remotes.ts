// A remote as `safelight remote list --json` tells it, what is not there and why, and what it costs.
import { t, type Key } from './i18n.svelte';
import { because, type Told, type Why } from './reasons';

export interface Policy {
  kind: string; only: string | null; older_days: number | null; by: 'captured' | 'added' | null; unmetered: boolean | null;
  /** More newly exposed originals than this are asked about. */
  expose: number;
  /** None where the place has no tiers. */
  tier: string | null;
  switches: number;
}
/** A daily cap that is reached, and when more goes. */
export interface Capped { remote: string; cap: string; until: string }
export interface Remote {
  name: string; address: string;
  policy: Policy;
  /** As `2MB/s` or `500kB/s@08:00-18:00`. */
  limit: string | null;
  /** As `22:00-07:00`. */
  quiet: string | null;
  /** As `20GB`: of photos within 24 hours. */
  daily?: string | null;
  /** Why nothing of photos goes there for now. */
  capped?: Capped | null;
  synced_millis: number | null; last_error: string | null;
  safe_originals: number; waiting_originals: number; held_originals: number; local_originals: number; failed_originals: number;
}
export type WaitingState = 'failed' | 'lost' | 'held' | 'waiting' | 'elsewhere' | 'off';
export interface WaitingGroup { state: WaitingState; reason: string; why?: Why | null; originals: number; bytes: number; next_try_millis: number | null; examples: { id: string; name: string }[] }
export interface TierCost { tier: string | null; objects: number; bytes: number; write_usd: number; month_usd: number; return_usd: number; least_days: number }
export interface RemoteCost { remote: string; prices: string | null; resting: TierCost[]; next_sync: TierCost[] }
/** What a change of settings came to. */
export interface PolicyChange { remote: string; policy: string; newly_exposed: number; newly_exposed_bytes: number; waiting_originals: number }
/** What one remote's sync came to, as far as the pages read it. */
export interface SyncOutcome {
  remote: string; error: string | null; hint: string | null; quiet_until: string | null; sent_packs: number; synced_originals: number;
  held: { originals: number; bytes: number } | null; capped?: Capped | null; problems: string[]; notices: string[]; told?: Told[]; error_why?: Why | null; traffic: { requests: number; up_bytes: number; down_bytes: number };
}

/** The host or the kind of place that sees what rests there. */
export function provider(address: string): string {
  const kind = address.split(':', 1)[0] ?? '';
  const host = /^[a-z+]+:\/\/(?:[^@/]*@)?([^/?]+)/.exec(address)?.[1];
  const endpoint = /[?&]endpoint=https?:\/\/([^/&]+)/.exec(address)?.[1];
  return endpoint ?? (kind === 's3' ? 'Amazon S3' : kind === 'azure' ? 'Microsoft Azure' : kind === 'dropbox' ? 'Dropbox' : kind === 'gdrive' ? 'Google Drive' : kind === 'onedrive' ? 'OneDrive' : host ?? address);
}

export const POLICIES = ['full', 'selective', 'on-demand', 'archive-only'] as const;
const NAMES: Record<string, Key> = { full: 'policy.full', selective: 'policy.selective', 'on-demand': 'policy.on-demand', 'archive-only': 'policy.archive-only' };

/** What a remote's policy sends there, in a few words. */
export const policyName = (kind: string): string => (NAMES[kind] ? t(NAMES[kind]) : kind);

/** A limit and a stretch of hours as they are written, taken apart; `null` when there is none or it is written otherwise. */
export function limitOf(text: string | null): { rate: string; unit: string; from: string; until: string } | null {
  const found = /^(\d+)(B|kB|MB|GB)\/s(?:@(\d\d:\d\d)-(\d\d:\d\d))?$/.exec(text ?? '');
  return found ? { rate: found[1]!, unit: found[2]!, from: found[3] ?? '', until: found[4] ?? '' } : null;
}
/** A daily cap as it is written, taken apart. */
export function capOf(text: string | null | undefined): { amount: string; unit: string } | null {
  const found = /^(\d+)(B|kB|MB|GB|TB)$/.exec(text ?? '');
  return found ? { amount: found[1]!, unit: found[2]! } : null;
}
/** What is said of a daily cap that is reached: the server's sentence, in the reader's language. */
export const capped = ({ cap, until }: Capped): string => because({ code: 'daily-cap', values: { cap, until } }, `The daily cap of ${cap} is reached: more goes from ${until} on`);
export function hoursOf(text: string | null): { from: string; until: string } | null {
  const found = /^(\d\d:\d\d)-(\d\d:\d\d)$/.exec(text ?? '');
  return found ? { from: found[1]!, until: found[2]! } : null;
}
