// What takes space here, what may go against which proof, and the archive: as the server tells it.
import { t, type Key } from './i18n.svelte';
import type { Told, Why } from './reasons';

export interface LocalSettings { budget_bytes: number | null; proof_age_seconds: number; originals: 'on-demand' | 'keep-all' }
export interface LocalStanding {
  here_objects: number; here_bytes: number; visiting_originals: number; visiting_bytes: number; away_originals: number; away_bytes: number;
  archived_originals: number; thawing_originals: number; pinned_photos: number; pinned_albums: string[]; settings: LocalSettings;
}
export interface StorageKind { kind: string; bytes: number; objects: number }
export interface Storage {
  folder: string; disk_free_bytes: number | null; disk_total_bytes: number | null; total_bytes: number;
  kinds: StorageKind[]; trash: { photos: number; bytes: number }; local: LocalStanding;
}
export interface FreeAgainst {
  remote: string; originals: number; bytes: number;
  proven_originals: number; oldest_proof_millis: number | null; checksum_originals: number; download_originals: number; download_bytes: number;
}
export interface Staying { reason: string; why?: Why | null; originals: number }
/** What freeing would do; `plan` is the word that carries it out, once and for ten minutes. */
export interface FreePlan { plan: string | null; originals: number; bytes: number; against: FreeAgainst[]; staying: Staying[] }
export interface FreeReport { freed_originals: number; freed_bytes: number; staying: Staying[]; problems: string[]; told?: Told[] }

export interface BasketItem { id: string; name: string; bytes: number; state: string; remote: string | null }
export interface ThawCost { remote: string; originals: number; objects: number; bytes: number; usd: number | null; prices: string | null }
export interface Basket {
  photos: number; items: BasketItem[]; archived: number; archived_bytes: number; thawing: number; thawing_bytes: number; readable: number;
  all_archived: number; all_thawing: number; costs: ThawCost[]; priorities: { priority: 'standard' | 'high'; up_to_hours: number; dearer?: boolean }[];
}
/** Of asking and looking, and of fetching. */
export interface ThawReport { readable_originals?: number; archived_originals?: number; thawing_originals?: number; asked_parts?: number; missing_originals?: number; unanswered_originals?: number; fetched_originals?: number; fetched_bytes?: number; failed_originals?: number }

const KINDS: Record<string, Key> = {
  originals: 'storage.originals', renditions: 'storage.renditions', history: 'storage.history', catalogue: 'storage.catalogue', device: 'storage.own', unfinished: 'storage.unfinished', other: 'storage.rest',
};
export const kindName = (kind: string): string => (KINDS[kind] ? t(KINDS[kind]) : kind);

const STATES: Record<string, Key> = { archived: 'thaw.archived', thawing: 'sync.thawing', 'cloud-only': 'thaw.readable', here: 'thaw.here', missing: 'thaw.missing' };
export const basketState = (state: string): string => (STATES[state] ? t(STATES[state]) : state);
