// Which photos are chosen. By id, so that a choice survives whatever else changes in the library.
import { SvelteSet } from 'svelte/reactivity';
import { t } from './i18n.svelte';
import type { Which } from './organise.svelte';
import { session } from './session.svelte';
import type { Timeline } from './timeline.svelte';

/** More than this at once is chosen by its query, not photo by photo. */
export const MOST_BY_ID = 20_000;

/** So few are chosen photo by photo, whichever way. */
const FEW = 20;

export class Selection {
  ids = new SvelteSet<string>();
  /** How many lie in a stack under each that was chosen. */
  #under = new Map<string, number>();
  /** Everything the list shows. */
  all = $state(false);
  /** Where the next range begins. */
  anchor = -1;
  readonly timeline: Timeline;

  constructor(timeline: Timeline) { this.timeline = timeline; }

  get size(): number { return this.all ? this.timeline.length : this.ids.size; }
  /** With what lies in stacks under them, where this list shows each stack as one photo: so many are changed by what is done to all of a stack. */
  get whole(): number {
    if (!this.timeline.source.covers) return this.size;
    if (this.all) return Math.max(this.size, session.status?.counts?.shown ?? 0);
    let whole = 0;
    for (const id of this.ids) whole += 1 + (this.#under.get(id) ?? 0);
    return whole;
  }
  /** How many are chosen, in words: as they show, and with those in stacks where these are more. */
  get told(): string {
    if (this.size === 0) return t('selection.none');
    return t('selection.count', { n: this.size }) + (this.whole > this.size ? `, ${t('photos.within', { n: this.whole })}` : '');
  }
  has(id: string): boolean { return this.all || this.ids.has(id); }

  #add(id: string, under: number): void { this.#under.set(id, under); this.ids.add(id); }
  clear(): void { this.ids.clear(); this.#under.clear(); this.all = false; this.anchor = -1; }

  async toggle(index: number): Promise<void> {
    const photo = await this.timeline.resolve(index);
    if (!photo) return;
    await this.#single();
    if (!this.ids.delete(photo.id)) this.#add(photo.id, photo.stack);
    this.anchor = index;
  }

  /** Adds `first..end`, or takes it away where all of it was chosen. */
  async range(first: number, end: number, add: boolean | 'toggle'): Promise<void> {
    const found = await this.timeline.ids(first, Math.min(end, first + MOST_BY_ID));
    await this.#single();
    const adding = add === 'toggle' ? !found.every(([id]) => this.ids.has(id)) : add;
    for (const [id, under] of found) if (adding) this.#add(id, under); else this.ids.delete(id);
  }

  async extendTo(index: number): Promise<void> {
    const from = this.anchor < 0 ? index : this.anchor;
    await this.range(Math.min(from, index), Math.max(from, index) + 1, true);
    if (this.anchor < 0) this.anchor = index;
  }

  chooseAll(): void {
    this.ids.clear();
    this.all = true;
    // So few can also be compared or put into a stack, which asks for each.
    if (this.timeline.length <= FEW) void this.#single();
  }

  /** From "everything" to the ids of everything, before one of them is taken away. */
  async #single(): Promise<void> {
    if (!this.all) return;
    const found = await this.timeline.ids(0, Math.min(this.timeline.length, MOST_BY_ID));
    if (!this.all) return;
    this.all = false;
    for (const [id, under] of found) this.#add(id, under);
  }

  /** Photos of this list, each with the stack that it stands for here. */
  those(items: string[]): Which { return this.timeline.source.covers ? { items, stacks: true } : { items }; }

  /** What a write needs to know which photos are meant. */
  which(): Which {
    if (!this.all) return this.those([...this.ids]);
    const { q, album, shelf, covers } = this.timeline.source;
    return { q, ...(covers ? { stacks: true } : {}), ...(album ? { album } : {}), ...(shelf === 'shown' ? {} : { shelf }) };
  }
}
