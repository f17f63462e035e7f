// The devices of the library, and the invitation that lets another one in, as the server tells them.
import { t, type Key } from './i18n.svelte';
import { shown } from './shown';
import type { Device } from './types';

/** What a device is called: its name, or the beginning of its id where nobody gave it one. */
export const deviceName = (device: Pick<Device, 'id' | 'name'>): string => (device.name ? shown(device.name) : device.id.slice(0, 8));

export const isMember = (device: Device): boolean => device.standing === 'active' || device.standing === 'lapsed';

export const standingName = (device: Device): string => t(`device.${device.standing}` as Key);

/** `9:05`: how long a code is still good. */
export const timeLeft = (seconds: number): string => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;

/** A picture of dark squares as one path, for a drawing whose sides are as long as a row. */
export function squares(rows: string[]): string {
  return rows.map((row, y) => [...row.matchAll(/1+/g)].map((run) => `M${run.index} ${y}h${run[0].length}v1h-${run[0].length}z`).join('')).join('');
}
