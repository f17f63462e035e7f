// Forgetting photos: what would go, what went, and the receipt of it.
import type { Told } from './reasons';

/** What forgetting would do. */
export interface ForgetPlan {
  /** The word that carries it out; null where there is nothing to forget. */
  plan: string | null;
  photos: number; bytes: number; linked: number; shared_contents: number; other_devices: number; watched_folders: number;
  snapshots: string[]; remotes: string[]; devices_that_left: string[];
  /** What the provider of each remote may keep by itself. */
  may_keep: { remote: string; provider: 'azure' | 's3' | 'drive' | 'file' | 'other'; sentence: string }[];
}
export interface Forgotten {
  forgotten: number; stayed: number; freed_bytes: number; is_done: boolean;
  here: Told[]; devices: string[];
  places: { remote: string; is_done: boolean; told: Told[] }[];
  /** Two lines of JSON, the second signs the first. */
  receipt: string;
}

/** The remotes that it goes from: out of a sealed copy in one file nothing goes. */
export const leaves = (plan: ForgetPlan): string[] =>
  plan.remotes.filter((remote) => !plan.may_keep.some((one) => one.remote === remote && one.provider === 'file'));

/** When a receipt was written, as it says itself; empty where it does not. */
export function writtenAt(receipt: string): string {
  try {
    const said = JSON.parse(receipt.split('\n', 1)[0]!) as { written?: unknown };
    return typeof said.written === 'string' ? said.written : '';
  } catch { return ''; }
}

/** Keeps a receipt as a file, to the byte: its second line signs the first. */
export function saved(receipt: string): void {
  const address = URL.createObjectURL(new Blob([receipt], { type: 'application/octet-stream' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = `safelight-receipt-${writtenAt(receipt).replace(/[^\d]/g, '').slice(0, 14)}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
