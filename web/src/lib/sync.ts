// Switches: what of some photos, or of an album, goes to which remote, and who decides it.
import { post } from './api';
import type { Which } from './organise.svelte';
import type { Written } from './types';

export type Turn = 'on' | 'off' | 'auto';
/** Some photos, or an album with whatever comes into it later. */
export type Switched = Which | { switch_album: string };

export interface Standing {
  remote: string; policy: string;
  /** How many the question was about. */
  photos: number;
  /** By their own switch. */
  on: number; off: number; auto: number;
  goes: number; stays: number; there: number; waiting: number; failed: number;
  /** Neither here nor seen there. */
  elsewhere: number;
  switch: Turn | 'mixed';
  because: 'photo' | 'album' | 'policy' | 'mixed';
  because_album: string | null;
  expose: number | null;
}
export interface Exposes { remote: string; originals: number; bytes: number; most: number }
export interface Turned extends Written { remote: string; policy: string; newly_exposed: number; newly_exposed_bytes: number; waiting_originals: number }

export const look = async (which: Switched): Promise<Standing[]> => (await post<{ remotes: Standing[] }>('sync/look', which)).remotes;
export const turn = (which: Switched, remote: string, to: Turn, consent: boolean): Promise<Turned> => post<Turned>('sync/switch', { ...which, remote, turn: to, consent });
