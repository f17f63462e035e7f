// One list of photos as the pages show it: the skeleton of all of it, and columns of what is looked at.
import { ApiError, get, query, send } from './api';
import { displayRatio, parseSkeleton, type Skeleton } from './layout';
import type { Route } from './router.svelte';
import { check } from './searches.svelte';
import { begunAt, onShut } from './session.svelte';
import type { Columns, Kind, Photo } from './types';

const CHUNK = 256;
const KEPT_CHUNKS = 48;

/** `covers`: what lies in a stack under another photo is left out. */
export interface Source { q: string; album: string | null; shelf: 'shown' | 'hidden' | 'trash'; covers?: boolean }

const FAVOURITES = 'is:favourite';
/** What a page lists; `null` for pages that list no photos. */
export function sourceOf({ page, id, q }: Pick<Route, 'page' | 'id' | 'q'>): Source | null {
  switch (page) {
    case 'photos': return { q, album: null, shelf: 'shown', covers: q === '' };
    case 'favourites': return { q: FAVOURITES, album: null, shelf: 'shown' };
    case 'album': return { q: '', album: id, shelf: 'shown' };
    case 'hidden': case 'trash': return { q: '', album: null, shelf: page };
    default: return null;
  }
}

let begun: Timeline | null = null;
const letBegunGo = (): void => { begun?.close(); begun = null; };
onShut(letBegunGo);

/** Asks for the list of the first page before that page is made; settles when it is here, or cannot be. */
export async function begin(source: Source): Promise<void> {
  begun = new Timeline(source);
  await begun.load();
}

/** The list of a page: the one that was begun, where it is the same, else a new one. */
export function listOf(source: Source): Timeline {
  const early = begun;
  if (early && !early.error && JSON.stringify(early.source) === JSON.stringify(source)) {
    begun = null;
    return early;
  }
  letBegunGo();
  return new Timeline(source);
}

export class Timeline {
  skeleton = $state.raw<Skeleton | null>(null);
  error = $state.raw<ApiError | null>(null);
  /** Counts up whenever more columns are here; reading `photo` depends on it. */
  arrived = $state(0);
  /** The revision that the skeleton is of; 0 while there is none. */
  at = 0;
  readonly source: Source;
  #chunks = new Map<number, Columns>();
  #photos = new WeakMap<Columns, (Photo | null)[]>();
  #asked = new Map<number, AbortController>();
  #etag: string | null = null;
  #revision = 0;
  #loading: Promise<boolean> | null = null;
  #closed = false;
  #wanted: [number, number] = [0, 0];

  constructor(source: Source) { this.source = source; }

  get length(): number { return this.skeleton?.ratio.length ?? 0; }

  #parameters(more: Record<string, string | number>): string {
    const { q, album, shelf, covers } = this.source;
    return query({ q, album, shelf: shelf === 'shown' ? null : shelf, covers: covers ? 'true' : null, ...more });
  }

  /** Fetches the skeleton if it is another than the one here. Answers whether it was. */
  load(): Promise<boolean> {
    return (this.#loading ??= this.#load().finally(() => { this.#loading = null; }));
  }

  async #load(): Promise<boolean> {
    try {
      // Only of what somebody may have mistyped, or what is closed since.
      const mayBeRefused = !this.skeleton || this.source.q.includes('hidden');
      if (this.source.q !== '' && this.source.q !== FAVOURITES && mayBeRefused) await check(this.source.q);
      const answer = await send('GET', `timeline/skeleton${this.#parameters({})}`, undefined, undefined,
        this.#etag ? { 'if-none-match': this.#etag } : {});
      if (answer.status === 304) return false;
      const revision = Number(answer.headers.get('x-revision') ?? 0);
      begunAt(revision);
      // The first list begins at its top: what stands there is asked for while the shapes of everything are still on their way.
      if (!this.skeleton) this.#fetch(0, true).catch(() => {});
      const skeleton = parseSkeleton(await answer.arrayBuffer());
      // What is on the screen is known before the new list is shown, so that nothing blinks.
      const seen = this.skeleton ? await this.#seen(skeleton.ratio.length) : [];
      if (this.#closed) return false;
      this.#etag = answer.headers.get('etag');
      if (this.skeleton) this.#forget();
      this.at = revision;
      for (const columns of seen) {
        this.#chunks.set(columns.start / CHUNK, columns);
        this.#revision = columns.revision;
      }
      this.skeleton = skeleton;
      this.error = null;
      return true;
    } catch (error) {
      this.error = error instanceof ApiError ? error : new ApiError(-1, { code: 'unreadable', message: String(error instanceof Error ? error.message : error) });
      return false;
    }
  }

  /** The columns of what was asked for last, as they are now, in a list of `length`. */
  async #seen(length: number): Promise<Columns[]> {
    const [first, end] = this.#wanted;
    const chunks: number[] = [];
    for (let chunk = Math.floor(first / CHUNK); chunk * CHUNK < Math.min(end, length); chunk++) chunks.push(chunk);
    const found = chunks.slice(0, 4).map((chunk) => get<Columns>(`timeline/columns${this.#parameters({ start: chunk * CHUNK, count: CHUNK })}`));
    return (await Promise.allSettled(found)).flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  }

  /** Asks anew for what is known of what is on the screen, where something of it changed that the list does not tell. */
  async renew(): Promise<void> {
    const seen = await this.#seen(this.length);
    if (this.#closed || !this.skeleton || seen.length === 0) return;
    this.#forget();
    for (const columns of seen) {
      this.#chunks.set(columns.start / CHUNK, columns);
      this.#revision = columns.revision;
    }
    this.arrived++;
  }

  #forget(): void {
    for (const asked of this.#asked.values()) asked.abort();
    this.#asked.clear();
    this.#chunks.clear();
    this.#revision = 0;
    this.arrived++;
  }

  /** Lets go of everything; nothing that is still on its way arrives any more. */
  close(): void {
    this.#closed = true;
    this.#forget();
    this.skeleton = null;
  }

  /** What is known of a photo now; `null` until its columns are here. */
  photo(index: number): Photo | null {
    void this.arrived;
    const chunk = this.#chunks.get(Math.floor(index / CHUNK));
    if (!chunk) return null;
    // The same object each time, so that what shows it sees that nothing changed.
    let photos = this.#photos.get(chunk);
    if (!photos) this.#photos.set(chunk, photos = []);
    const at = index % CHUNK;
    return (photos[at] ??= this.#read(chunk, at, index));
  }

  /** The same by its id, among what is here; `null` where it is not. */
  known(id: string): Photo | null {
    for (const [number, chunk] of this.#chunks) {
      const at = chunk.id.indexOf(id);
      if (at >= 0) return this.photo(number * CHUNK + at);
    }
    return null;
  }

  #read(chunk: Columns, at: number, index: number): Photo | null {
    const id = chunk.id[at];
    if (id === undefined) return null;
    return {
      index, id,
      taken: chunk.taken[at] ?? null,
      fileTime: chunk.file_time?.[at] ?? null,
      kind: (chunk.kind[at] ?? 'other') as Kind,
      durationMs: chunk.duration_ms[at] ?? null,
      sync: chunk.sync[at] ?? 'local-only',
      favourite: chunk.favourite[at] ?? false,
      rating: chunk.rating[at] ?? 0,
      name: chunk.name[at] ?? '',
      color: chunk.color[at] ?? null,
      undecodable: chunk.undecodable[at] ?? false,
      rotate: chunk.rotate?.[at] ?? 0,
      place: chunk.place?.[at] ?? null,
      caption: chunk.caption?.[at] ?? null,
      live: chunk.live?.[at] ?? false,
      motion: chunk.motion?.[at] ?? false,
      stack: chunk.stack?.[at] ?? 0,
    };
  }

  ratio(index: number): number { return displayRatio(this.skeleton?.ratio[index] ?? 0); }

  /** Asks for the columns of `first..end` and lets go of what was asked for elsewhere and has not come. */
  want(first: number, end: number): void {
    this.#wanted = [first, end];
    const from = Math.floor(first / CHUNK);
    const to = Math.floor(Math.max(first, Math.min(end, this.length) - 1) / CHUNK);
    for (const [chunk, asked] of this.#asked) {
      if (chunk < from - 1 || chunk > to + 1) { asked.abort(); this.#asked.delete(chunk); }
    }
    for (let chunk = from; chunk <= to; chunk++) void this.#fetch(chunk).catch(() => {});
  }

  async #fetch(chunk: number, first = false): Promise<void> {
    const found = this.#chunks.get(chunk);
    if (found) {
      this.#chunks.delete(chunk);
      this.#chunks.set(chunk, found);
      return;
    }
    if (this.#asked.has(chunk) || (chunk * CHUNK >= this.length && !first)) return;
    const asked = new AbortController();
    this.#asked.set(chunk, asked);
    try {
      const parameters = this.#parameters({ start: chunk * CHUNK, count: CHUNK, ...(this.#revision ? { revision: this.#revision } : {}) });
      const columns = await get<Columns>(`timeline/columns${parameters}`, asked.signal);
      if (asked.signal.aborted || this.#closed) return;
      this.#revision = columns.revision;
      this.#chunks.set(chunk, columns);
      while (this.#chunks.size > KEPT_CHUNKS) this.#chunks.delete(this.#chunks.keys().next().value!);
      this.arrived++;
    } catch (error) {
      if (error instanceof ApiError && error.code === 'stale') { this.#asked.delete(chunk); void this.load(); }
      throw error;
    } finally {
      if (this.#asked.get(chunk) === asked) this.#asked.delete(chunk);
    }
  }

  /** A photo, fetched if need be. */
  async resolve(index: number): Promise<Photo | null> {
    if (index < 0 || index >= this.length) return null;
    for (let tries = 0; tries < 40; tries++) {
      const photo = this.photo(index);
      if (photo) return photo;
      const chunk = Math.floor(index / CHUNK);
      if (this.#asked.has(chunk)) await new Promise((resolve) => setTimeout(resolve, 25));
      else await this.#fetch(chunk).catch(() => {});
    }
    return this.photo(index);
  }

  /** The ids of `first..end`, in order, each with how many lie in a stack under it. */
  async ids(first: number, end: number): Promise<[string, number][]> {
    const found: [string, number][] = [];
    for (let start = first; start < end; ) {
      const chunk = Math.floor(start / CHUNK);
      const stop = Math.min(end, (chunk + 1) * CHUNK);
      const columns = this.#chunks.get(chunk) ?? await get<Columns>(`timeline/columns${this.#parameters({ start: chunk * CHUNK, count: CHUNK })}`);
      for (let at = start - chunk * CHUNK; at < Math.min(stop - chunk * CHUNK, columns.id.length); at++) found.push([columns.id[at]!, columns.stack?.[at] ?? 0]);
      start = stop;
    }
    return found;
  }

  /** Where a photo stands in this list; `null` where it does not. */
  async position(id: string): Promise<number | null> {
    return (await get<{ index: number | null }>(`timeline/position${this.#parameters({ id })}`)).index;
  }
}
