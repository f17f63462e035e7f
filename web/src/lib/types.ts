// What the API says, by the names that the pages use. Everything that the server's document describes comes from there
// (schema.d.ts, which `tools/web.sh types` writes); what it only calls an object is told here, as far as the pages read it.
import type { Told, Why } from './reasons';
import type { components } from './schema';

type Said = components['schemas'];

export type SyncWord = 'local-only' | 'waiting' | 'synced' | 'cloud-only' | 'elsewhere' | 'thawing' | 'failed';
export type Kind = 'photo' | 'video' | 'raw' | 'other';

/** The rules of this device; `workers` is null for as many as the machine has cores. */
export type DeviceSettings = Said['Settings'];
/** What whoever keeps a remote can see there. */
export type RemotePrivacy = Said['RemotePrivacy'];
/** A device of the library, what comes of its leaving, and the invitation that lets another one in. */
export type Device = Said['ShownDevice'];
export type Snapshots = Said['Snapshots'];
export type Slot = Said['ShownSlot'];
export type Passkey = Said['ShownPasskey'];
export type Restored = Said['Restored'];
export type Left = Said['Left'];
export type ShownInvite = Said['ShownInvite'];
export type Invitation = Said['Invitation'];
export type Columns = Said['Columns'];
export type Tag = Said['Tag'];
export type Place = Said['Named'];
export type MapCell = Said['Cell'];
export type MapTiles = Said['MapTiles'];
export type Choice = Said['Choice'];
export type Completion = Said['Completed'];
/** `notices` are not sent where there are none. */
export type Written = Omit<Said['Written'], 'notices' | 'unchanged' | 'told'> & Partial<Pick<Said['Written'], 'notices' | 'unchanged'>> & { told?: Told[] };

/** One photo as the timeline knows it. Made only for what is on the screen. */
export interface Photo {
  index: number;
  id: string;
  taken: string | null;
  fileTime: string | null;
  kind: Kind;
  durationMs: number | null;
  sync: string;
  favourite: boolean;
  rating: number;
  name: string;
  color: string | null;
  undecodable: boolean;
  rotate: number;
  place: string | null;
  caption: string | null;
  /** Half of a Live Photo. */
  live: boolean;
  /** A video lies within it. */
  motion: boolean;
  /** How many lie in a stack under it. */
  stack: number;
}

export interface Rational { numerator: number; denominator: number }
export interface Facts {
  format?: string; width?: number | null; height?: number | null; duration_millis?: number | null;
  audio_codec?: string; reason?: string | null; camera_make?: string; camera_model?: string; lens?: string; creator?: string;
  stated_bytes?: number; damage?: string; exposure_seconds?: Rational; aperture?: Rational; focal_length_mm?: Rational; iso?: number;
}
export interface Asset {
  id: string; path: string; found_at?: string[]; size: number; media_type: string; kind: string;
  /** `taken_from` is `FileTime` where it is the date of the file alone. */
  taken: string | null; taken_from?: string | null;
  caption: string | null; title: string | null; rating: number | null;
  tags: string[]; keywords: string[]; position: [number, number] | null; place: string | null;
  favourite: boolean; hidden: boolean; albums: (string | { id: string; path: string })[];
  rotate: number; trashed: boolean; storage: string; conflicts?: unknown[];
  sync: unknown[]; place_count: number;
  kept_by?: string[];
  places: { remote: string | null; how: string; since?: string | null; proven?: string | null }[];
  facts?: Facts; undecodable_why?: Why | null; history?: Change[];
  web?: { original: boolean; mime: string; moves?: boolean; stack?: Stack | null };
}
export interface Stacked { id: string; name: string; kind: Kind; rotate: number }
/** A stack: its cover first. */
export interface Stack { cover: string; items: Stacked[] }
export interface Change { id?: string; when: string; device: string; device_name?: string | null; what: string; why?: Why | null }
export interface Album {
  id: string; name: string; path: string; parent: string | null; assets: number; conflicted?: boolean; cover?: string | null;
  /** The search that fills it; nothing can be put into such a one. */
  query?: string | null;
  /** Why its search cannot be read. */
  problem?: string | null;
  problem_why?: Why | null;
}
export interface ConflictValue { shows: boolean; value: unknown; when: string; device: string; device_name: string | null; here: boolean }
export interface Conflict { item: string; name: string; kind: string; field: string; values: ConflictValue[] }
export type Status = Omit<Said['Standing'], 'state'> & {
  state?: (Record<string, unknown> & { brake?: unknown[] }) | null;
  /** There is no library yet: where it would be made. */
  first_run?: { folder: string } | null;
};

export type DuplicateKind = 'exact' | 'near' | 'burst';
/** One photo of a group of duplicates. */
export interface Copy {
  id: string; name: string; width: number | null; height: number | null; bytes: number; media_type: string; kind: Kind;
  taken: string | null; file_time: string | null; camera: string | null; place: string | null; albums: { id: string; path: string }[]; albums_count: number;
  tags: string[]; favourite: boolean; rating: number | null; caption: string | null; title: string | null; rotate: number;
  /** The original is on this device. */
  here: boolean;
  /** 0 to 100, to the one that is kept. */
  likeness: number;
  stacked: boolean; cannot_drop: string | null; cannot_drop_why?: Why | null;
}
export interface Group {
  id: string; kind: DuplicateKind; safe: boolean; unsafe_because: string | null; unsafe_why?: Why | null;
  keep: string; reason: string; reason_code: string; items: Copy[]; differing: string[];
}
export type Duplicates = Omit<Said['Page'], 'counts' | 'groups'> & { counts: Record<DuplicateKind, number>; groups: Group[] };
