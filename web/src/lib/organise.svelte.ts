// Everything that changes photos, with what is said about it. The server writes; here is only how to ask.
import { post } from './api';
import { t } from './i18n.svelte';
import { leftOut } from './reasons';
import { complain, doing, say, type About } from './toast.svelte';
import type { Written } from './types';

/** `stacks`: where a list shows each stack as one photo, what lies under it is meant as well, for what is said of all of it. */
export type Which = ({ items: string[] } | { q: string; album?: string; shelf?: string; covers?: boolean }) & { stacks?: boolean };
/** For what is said of the one photo that shows: how it is liked, called, turned and filed. */
const alone = ({ stacks, ...which }: Which): Which => (stacks && 'q' in which ? { ...which, covers: true } : which);
/** The first of them, where they are named one by one: that is where somebody stands if they leave a list and come back. */
const firstOf = (which: Which): string | null => ('items' in which ? (which.items[0] ?? null) : null);
interface Edit {
  set?: Record<string, unknown>;
  add?: { tags?: string[]; albums?: string[] };
  remove?: { tags?: string[]; albums?: string[] };
  clear?: string[];
}

export function edit(which: Which, changes: Edit, said: (n: number) => string, about: About = {}): Promise<Written | null> {
  // What could not be done to some of them is said with it.
  return doing((answer) => [...(answer.changed > 0 ? [said(answer.changed)] : []), ...leftOut(answer)].join('; ') || t('did.nothing'), () => post<Written>('edit', { ...which, ...changes }), about);
}

export const favourite = (which: Which, on: boolean): Promise<Written | null> =>
  edit(alone(which), { set: { favourite: on } }, (n) => t(on ? 'did.favourite' : 'did.unfavourite', { n }), { left: on ? null : firstOf(which) });
export const rate = (which: Which, stars: number): Promise<Written | null> =>
  edit(alone(which), { set: { rating: stars } }, (n) => (stars === 0 ? t('did.unrated', { n }) : t('did.rated', { n, stars: t('stars', { n: stars }) })));
export const turn = (which: Which, by: 90 | -90): Promise<Written | null> =>
  edit(alone(which), { set: { rotate_by: by } }, (n) => t('did.turned', { n }));
export const hide = (which: Which, on: boolean): Promise<Written | null> =>
  edit(which, { set: { hidden: on } }, (n) => t(on ? 'did.hidden' : 'did.unhidden', { n }), { left: firstOf(which), ...(on ? { secret: false } : {}) });
export const caption = (which: Which, text: string): Promise<Written | null> =>
  edit(alone(which), { set: { caption: text } }, (n) => t('did.captioned', { n }));
export const date = (which: Which, set: { date?: string; date_by?: string; zone?: string }): Promise<Written | null> =>
  edit(which, { set }, (n) => t('did.dated', { n }));
export const place = (which: Which, text: string): Promise<Written | null> =>
  edit(which, { set: { place: text } }, (n) => t('did.placed', { n }));
export const asTheFile = (which: Which, field: 'date' | 'place'): Promise<Written | null> =>
  edit(which, { clear: [field] }, (n) => t(field === 'date' ? 'did.dated' : 'did.placed', { n }));
export const tag = (which: Which, add: string[], remove: string[]): Promise<Written | null> =>
  edit(alone(which), { ...(add.length ? { add: { tags: add } } : {}), ...(remove.length ? { remove: { tags: remove } } : {}) }, (n) => t('did.tagged', { n }));
export const intoAlbum = (which: Which, album: { id: string; name: string }): Promise<Written | null> =>
  edit(alone(which), { add: { albums: [album.id] } }, (n) => t('did.filed', { n, album: album.name }));
export const outOfAlbum = (which: Which, album: { id: string; name: string }): Promise<Written | null> =>
  edit(alone(which), { remove: { albums: [album.id] } }, (n) => t('did.unfiled', { n, album: album.name }), { left: firstOf(which) });
/** `whole`: how many it holds then, with those in stacks under `items`. */
export const stack = (items: string[], cover: string, whole = items.length): Promise<Written | null> =>
  doing(() => t('did.stacked', { n: whole }), () => post<Written>('stack', { items, cover }));
export const unstack = (which: Which): Promise<Written | null> =>
  doing((answer) => (answer.changed === 0 ? t('did.unstacked.none') : t('did.unstacked', { n: answer.changed })), () => post<Written>('stack/apart', which));
/** Into the thaw basket, which this device keeps to itself. */
export async function collect(which: Which): Promise<boolean> {
  try {
    const { photos } = await post<{ photos: number }>('thaw/basket', { ...which, put: true });
    say(t('did.collected', { n: photos }));
    return true;
  } catch (error) { complain(error); return false; }
}
export const trash = (which: Which, consent = false): Promise<Written | null> =>
  doing((answer) => t('did.trashed', { n: answer.changed }), () => post<Written>('trash', { ...which, consent }), { left: firstOf(which), agreed: () => trash(which, true) });
export const restore = (which: Which): Promise<Written | null> =>
  doing((answer) => t('did.restored', { n: answer.changed }), () => post<Written>('trash/restore', which), { left: firstOf(which) });
