// Albums that are put elsewhere, by dragging and by choosing from a list.
import { patch } from './api';
import { t } from './i18n.svelte';
import { doing } from './toast.svelte';
import type { Album, Written } from './types';

/** Puts an album into another, or to the top; says so. */
export const moveAlbum = (album: Album, into: Album | null): Promise<Written | null> =>
  doing(() => (into ? t('did.moved.into', { name: album.name, album: into.path }) : t('did.moved.top', { name: album.name })),
    () => patch<Written>(`albums/${album.id}`, { into: into?.id ?? null }));
