// Searches that were made before, as this device keeps them (sealed, and never in the browser), and what a search finds.
import { ApiError, get, post, query, remove, send, type Problem } from './api';
import { onShut, session, stillOpen } from './session.svelte';
import { complain } from './toast.svelte';
import type { Columns } from './types';

interface Kept { recent: string[] }

export const searches = $state<{ recent: string[] }>({ recent: [] });
/** What was typed and submitted last; a search that came from a link is nobody's to remember. */
let submitted: string | null = null;

onShut(() => { searches.recent = []; submitted = null; });

/** Takes what is kept when it is here, unless the library shut meanwhile. */
function take(asked: Promise<Kept>): void {
  const still = stillOpen();
  asked.then(({ recent }) => { if (still()) searches.recent = recent; }, complain);
}

let knownAt = 0;
/** What was hidden since they were told may be named by one: until it is known again none is offered. */
export function knowRecent(): void {
  if (session.revision !== knownAt) searches.recent = [];
  knownAt = session.revision;
  take(get<Kept>('searches'));
}
/** While hidden photos are open nothing is remembered: their words would be offered after they are closed. */
export const submit = (q: string): void => { submitted = session.hidden ? null : q; };

/** A search that somebody submitted found something: it is kept. */
export function foundSomething(q: string): void {
  if (q === '' || submitted !== q || session.hidden || session.status?.read_only) return;
  submitted = null;
  take(post<Kept>('searches', { q }));
}
export const forget = (q?: string): void => take(remove<Kept>(`searches${query({ q })}`));

/** Throws what is wrong with a search. To type one that is not finished is nothing to be refused, so it is asked before it is made. */
export async function check(q: string, signal?: AbortSignal): Promise<void> {
  const { mistake } = await get<{ mistake: Problem | null }>(`searches/check${query({ q })}`, signal);
  if (mistake) throw new ApiError(400, mistake);
}

/** How many photos a search finds, with the first few; throws what is wrong with it. */
export async function look(q: string, few: number, signal: AbortSignal): Promise<{ count: number; ids: string[] }> {
  await check(q, signal);
  const answer = await send('GET', `timeline/skeleton${query({ q })}`, undefined, signal);
  const count = new DataView(await answer.arrayBuffer()).getUint32(4, true);
  const ids = count === 0 ? [] : (await get<Columns>(`timeline/columns${query({ q, start: 0, count: few })}`, signal)).id;
  return { count, ids };
}
