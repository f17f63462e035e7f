// Everything that changes photos, with what is said about it. The server writes; here is only how to ask.
import { post } from './api';
import { t } from './i18n.svelte';
import { doing } from './toast.svelte';
import type { Written } from './types';

export type Which = { items: string[] } | { q: string; album?: string; shelf?: string };
interface Edit {
  set?: Record<string, unknown>;
  add?: { tags?: string[]; albums?: string[] };
  remove?: { tags?: string[]; albums?: string[] };
  clear?: string[];
}

const count = (which: Which, answer: Written, size: number): number => answer.changed ?? ('items' in which ? which.items.length : size);

export function edit(which: Which, size: number, changes: Edit, said: (n: number) => string): Promise<Written | null> {
  return doing((answer) => said(count(which, answer, size)), () => post<Written>('edit', { ...which, ...changes }));
}

export const favourite = (which: Which, size: number, on: boolean): Promise<Written | null> =>
  edit(which, size, { set: { favourite: on } }, (n) => t(on ? 'did.favourite' : 'did.unfavourite', { n }));
export const rate = (which: Which, size: number, stars: number): Promise<Written | null> =>
  edit(which, size, { set: { rating: stars } }, (n) => (stars === 0 ? t('did.unrated', { n }) : t('did.rated', { n, stars: t('stars', { n: stars }) })));
export const turn = (which: Which, size: number, by: 90 | -90): Promise<Written | null> =>
  edit(which, size, { set: { rotate_by: by } }, (n) => t('did.turned', { n }));
export const hide = (which: Which, size: number, on: boolean): Promise<Written | null> =>
  edit(which, size, { set: { hidden: on } }, (n) => t(on ? 'did.hidden' : 'did.unhidden', { n }));
export const caption = (which: Which, size: number, text: string): Promise<Written | null> =>
  edit(which, size, { set: { caption: text } }, (n) => t('did.captioned', { n }));
export const tag = (which: Which, size: number, add: string[], remove: string[]): Promise<Written | null> =>
  edit(which, size, { ...(add.length ? { add: { tags: add } } : {}), ...(remove.length ? { remove: { tags: remove } } : {}) }, (n) => t('did.tagged', { n }));
export const intoAlbum = (which: Which, size: number, album: { id: string; name: string }): Promise<Written | null> =>
  edit(which, size, { add: { albums: [album.id] } }, (n) => t('did.filed', { n, album: album.name }));
export const outOfAlbum = (which: Which, size: number, album: { id: string; name: string }): Promise<Written | null> =>
  edit(which, size, { remove: { albums: [album.id] } }, (n) => t('did.unfiled', { n, album: album.name }));
export const trash = (which: Which, size: number): Promise<Written | null> =>
  doing((answer) => t('did.trashed', { n: count(which, answer, size) }), () => post<Written>('trash', which));
export const restore = (which: Which, size: number): Promise<Written | null> =>
  doing((answer) => t('did.restored', { n: count(which, answer, size) }), () => post<Written>('trash/restore', which));
