// What was just done, said once, with the way to take it back.
import { ApiError, post } from './api';
import { t } from './i18n.svelte';
import { leftOut, problemText } from './reasons';
import { onShut, sawRevision, session } from './session.svelte';
import type { Written } from './types';

interface Toast { text: string; undo: string | null; bad: boolean; id: number; /** What is done once somebody agrees. */ yes?: () => void }

export const toasts = $state<{ now: Toast | null; said: string }>({ now: null, said: '' });

let next = 0;
let timer = 0;
/** What was done in this window and can be taken back: the word that does it, what was said of it, and when it was done. */
export interface Change {
  word: string; text: string; at: number;
  /** It was about hidden photos, perhaps. */
  secret: boolean;
  /** The first of the photos that it may have taken out of a list. */
  left: string | null;
}
/** The newest last; as many as the server keeps. In this window's memory alone, and gone when the library shuts. */
export const done = $state<{ changes: Change[] }>({ changes: [] });
const MOST = 50;
// What was done before hidden photos were opened, and that others were hidden, can be taken back when they are closed again.
onShut((hidden) => { toasts.now = null; toasts.said = ''; done.changes = hidden ? done.changes.filter((one) => !one.secret) : []; fresh = { text: '', until: 0 }; });

export function say(text: string, undo: string | null = null, bad = false): void {
  toasts.now = { text, undo, bad, id: next++ };
  speak(text);
  fresh = { text, until: performance.now() + SPOKEN_MS };
  stay();
}

/** What was just done is still being read out: what is shown because of it comes behind, and not instead. */
let fresh = { text: '', until: 0 };
const SPOKEN_MS = 1_500;

/** Speaks to screen readers only. */
export function announce(text: string): void {
  const whole = performance.now() < fresh.until && fresh.text !== text ? `${fresh.text}. ${text}` : text;
  speak(whole);
}

/** What was spoken last. */
let spoken = '';
function speak(text: string): void {
  toasts.said = toasts.said === text ? `${text}\u00a0` : text;
  spoken = text;
}

/** What was said to screen readers of work that goes on is not there to be read once that has ended. */
export function hush(text: string): void {
  // A part that goes still reads the state of before, so it is not asked.
  if (spoken.endsWith(text)) { spoken = ''; toasts.said = ''; }
}

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
    say(problemText(error.problem), null, true);
  } else {
    say(t('error.unexpected'), null, true);
    throw error;
  }
}

/** What is worth knowing of a write beside what it does. */
export interface About extends Partial<Pick<Change, 'secret' | 'left'>> {
  /** Does it where it needs consent and somebody agreed. */
  agreed?: () => Promise<Written | null>;
}

/** Runs one write; says what it did, with undo where the server gave it. Answers whether it was done. What needs consent is
 *  asked about where `agreed` does it. */
export async function doing(saying: (answer: Written) => string, write: () => Promise<Written>, { secret = session.hidden, left = null, agreed }: About = {}): Promise<Written | null> {
  try {
    const answer = await write();
    sawRevision(answer.revision);
    const text = saying(answer);
    say(text, answer.undo ?? null);
    if (answer.undo) done.changes = [...done.changes, { word: answer.undo, text, at: Date.now(), secret, left }].slice(-MOST);
    return answer;
  } catch (error) {
    complain(error);
    if (!agreed || !(error instanceof ApiError && error.code === 'needs-consent') || !toasts.now) return null;
    // It stays until somebody answers, and what is done then is the answer.
    stay(true);
    const asked = toasts.now;
    return new Promise((resolve) => { asked.yes = () => resolve(agreed()); });
  }
}

/** Asked of a photo before what may have taken it out of a list is taken back; answers what is done once it is back, or does not come. */
type Awaiting = (photo: string) => ((came: boolean) => void) | null;
let awaiting: Awaiting = () => null;
/** For the list on the page. Answers what ends that. */
export function onReturn(asked: Awaiting): () => void {
  awaiting = asked;
  return () => { if (awaiting === asked) awaiting = () => null; };
}

/** What is being taken back: whoever presses twice asks once. */
const under = new Set<string>();

/** Takes back what a word stands for. What that answers is no change of its own here: the next one taken back is the one before. */
export async function takeBack(word: string): Promise<void> {
  if (under.has(word)) return;
  under.add(word);
  const change = done.changes.find((one) => one.word === word);
  const returned = change?.left ? awaiting(change.left) : null;
  let came = false;
  const forget = (): void => { done.changes = done.changes.filter((one) => one.word !== word); };
  try {
    const answer = await post<Written>('undo', { undo: word });
    forget();
    sawRevision(answer.revision);
    say([change ? t('undone.of', { what: change.text }) : t('undone'), ...leftOut(answer)].join(' '), answer.undo ?? null);
    came = true;
  } catch (error) {
    // One that the server knows no more, or that somebody has written over, does not stand before the others.
    if (error instanceof ApiError && error.problem.code === 'cannot-undo') forget();
    complain(error);
  } finally {
    returned?.(came);
    under.delete(word);
  }
}

/** Takes back what the message on the screen is about. */
export async function undo(): Promise<void> {
  const word = toasts.now?.undo;
  if (word) await takeBack(word);
}

/** Takes back the newest change of this window that was not taken back yet, long after its message has gone. */
export async function undoLast(): Promise<void> {
  const last = done.changes.at(-1);
  if (last) await takeBack(last.word);
  else say(t('undo.nothing'));
}
