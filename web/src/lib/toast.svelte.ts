// What was just done, said once, with the way to take it back.
import { ApiError, post } from './api';
import { t } from './i18n.svelte';
import { onShut, sawRevision } from './session.svelte';
import type { Written } from './types';

interface Toast { text: string; undo: string | null; bad: boolean; id: number }

export const toasts = $state<{ now: Toast | null; said: string }>({ now: null, said: '' });

let next = 0;
let timer = 0;
onShut(() => { toasts.now = null; toasts.said = ''; });

export function say(text: string, undo: string | null = null, bad = false): void {
  toasts.now = { text, undo, bad, id: next++ };
  announce(text);
  stay();
}

/** Speaks to screen readers only. */
export function announce(text: string): void { toasts.said = toasts.said === text ? `${text}\u00a0` : text; }

/** Begins the time a message stays anew; for as long as the reader is on it, it does not end. */
export function stay(hold = false): void {
  clearTimeout(timer);
  if (!hold) timer = window.setTimeout(() => { toasts.now = null; }, 9_000);
}

/** A write that is only a step of another one: seen, but not worth a word. */
export const sawNothing = sawRevision;

export function dismiss(): void { clearTimeout(timer); toasts.now = null; }

export function complain(error: unknown): void {
  if (error instanceof DOMException && error.name === 'AbortError') return;
  if (error instanceof ApiError) {
    if (error.status === 0 || error.status === 401 || error.status === 423) return;
    say([error.problem.message, error.problem.hint].filter(Boolean).join(' '), null, true);
  } else {
    say(t('error.unexpected'), null, true);
    throw error;
  }
}

/** Runs one write; says what it did, with undo where the server gave it. Answers whether it was done. */
export async function doing(done: (answer: Written) => string, write: () => Promise<Written>): Promise<Written | null> {
  try {
    const answer = await write();
    sawRevision(answer.revision);
    say(done(answer), answer.undo ?? null);
    return answer;
  } catch (error) {
    complain(error);
    return null;
  }
}

export async function undo(): Promise<void> {
  const token = toasts.now?.undo;
  if (!token) return;
  await doing(() => t('undone'), () => post<Written>('undo', { undo: token }));
}
