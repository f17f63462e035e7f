// Whether this window may talk to the server, and what of the library it may show now.
import { ApiError, events, get, handed, hasSecret, keepSecret, offer, onHanded, onTrouble, post, send } from './api';
import { INPUT, presence } from './presence';
import type { Status } from './types';

export type Stage = 'starting' | 'no-session' | 'locked' | 'gone' | 'first' | 'open';

interface Session {
  stage: Stage;
  /** Where pictures are fetched from: unguessable, and only for this session. */
  media: string;
  status: Status | null;
  revision: number;
  /** Hidden photos are told of: the passphrase was typed once more. */
  hidden: boolean;
  /** They are being closed: no page shows anything until the server has said so; `unheard` when it does not. */
  closing: false | 'asked' | 'unheard';
  /** Counts how often they were opened or closed: every page is made anew each time, so that nothing stays of what it showed. */
  turns: number;
  /** The first steps go on although there is a library now. */
  welcoming: boolean;
  progress: { task: string; done: number; of: number | null } | null;
  /** Counts up whenever what rests where has changed, which no revision tells. */
  moved: number;
  /** This window was open before the server was started that answers now. */
  anew: boolean;
}

/** Which of the first steps goes on although there is a library, so that it does after a reload too. */
const WELCOME = 'safelight-first';
export const welcomedAt = (): string | null => { const step = sessionStorage.getItem(WELCOME); return step === 'photos' || step === 'second' ? step : null; };
export function welcome(step: 'photos' | 'second' | null): void {
  session.welcoming = step !== null;
  if (step === null) sessionStorage.removeItem(WELCOME);
  else sessionStorage.setItem(WELCOME, step);
}

export const session = $state<Session>({ stage: 'starting', media: '', status: null, revision: 0, hidden: false, closing: false, turns: 0, welcoming: welcomedAt() !== null, progress: null, moved: 0, anew: false });

/** How long the first look waits for what is known of the library as a whole, in milliseconds. */
const PATIENCE = 120;

/** How long closing hidden photos waits before it says that the server does not answer, in milliseconds. */
const UNHEARD = 3_000;

let listening: AbortController | null = null;

/** The server knows nothing of this window: it was started after it. */
function lost(): void {
  const isNew = session.stage !== 'starting';
  drop('no-session');
  // Where the gallery was opened anew in another window, this one goes on with that session; else once it is.
  if (!isNew) return;
  session.anew = true;
  void handed().then((given) => { if (given) location.reload(); });
}
onHanded((secret) => { if (session.stage === 'no-session') { keepSecret(secret); location.reload(); } });

/** The session of this window, if the server knows it; to ask that is nothing to be refused. */
const knownHere = async (): Promise<Opened | null> => (await get<{ session: Opened | null }>('session/known')).session;

onTrouble((error) => {
  if (error.status === 401) lost();
  else if (error.status === 423) drop('locked');
  // One that ends says first that it is locked.
  else if (error.status === 0 && (session.stage === 'open' || session.stage === 'locked')) gone();
});

// What is wrong with it, that it is locked above all, was heard already.
const here = presence(() => { send('POST', 'present').catch(() => {}); });
for (const kind of INPUT) addEventListener(kind, () => { if (session.stage === 'open') here(); }, { capture: true, passive: true });

const forgetting: ((hidden: boolean) => void)[] = [];
/** For what is kept beside the pages: forgets it when the library shuts, or `hidden` photos alone do. */
export const onShut = (forget: (hidden: boolean) => void): void => { forgetting.push(forget); };

/** Whether it was heard since the library opened that hidden photos are open or closed: the first word of it changes nothing. */
let hiddenKnown = false;
let shuts = 0;
/** Asked before something was asked for: answers, when it is here, whether nothing has shut meanwhile. */
export function stillOpen(): () => boolean {
  const before = shuts;
  return () => shuts === before;
}
function forgetAll(hidden = false): void {
  shuts++;
  for (const forget of forgetting) forget(hidden);
}

// What is asked while the state changes may be answered after it: an answer counts only while nothing newer is known.
let asked = 0;
let known = 0;
let hiddenKnownAt = 0;
/** The state is known by another way: what was asked before is old. */
function learnt(): void { known = ++asked; }
/** How everything stands; `null` when something newer was known before the answer was here. */
async function ask(): Promise<Status | null> {
  const mine = ++asked;
  const status = await get<Status>('status');
  // Each stream of events begins with what holds, which is no reason to count everything once more if the answer says the same.
  if (mine < known || (mine < hiddenKnownAt && (status.hidden?.open ?? false) !== session.hidden)) return null;
  known = mine;
  return status;
}

/** Nothing of the library stays on the page: every component that shows any is gone with the stage. */
function drop(stage: Stage): void {
  forgetAll();
  learnt();
  session.stage = stage;
  session.status = null;
  session.hidden = false;
  welcome(null);
  hiddenKnown = false;
  // A lock closes them as well; a server that is away may come back with them open.
  if (stage !== 'gone') session.closing = false;
  session.progress = null;
  if (stage === 'no-session') { listening?.abort(); keepSecret(null); }
  if (stage !== 'gone') document.title = 'Safelight';
}

/** The token in the address is good for one use and one minute; it is taken out of the address before that use. */
function launchToken(): string | null {
  const token = new URLSearchParams(location.hash.slice(1)).get('t');
  if (token !== null) history.replaceState(null, '', location.pathname + location.search);
  return token;
}

interface Opened { secret?: string; media: string; instance: string; is_open?: boolean }

/** Opens this window's session. `first` asks for what the first page shows, as soon as anything may be asked. */
export async function start(first: () => Promise<void>): Promise<void> {
  const token = launchToken();
  let isOpen = true;
  try {
    if (token === null && !hasSecret() && !(await handed())) return drop('no-session');
    if (token !== null) keepSecret(null);
    // Another window may have begun a session since: the cookie of it is this one's too.
    const opened = token === null ? ((await knownHere()) ?? ((await handed()) ? await knownHere() : null)) : await post<Opened>('session', { token });
    if (!opened) return drop('no-session');
    if (opened.secret) { keepSecret(opened.secret); offer(); }
    session.media = opened.media.replace(/\/$/, '');
    // Of a library that is locked, or not there yet, nothing is asked that would only be refused.
    isOpen = opened.is_open !== false;
  } catch (error) {
    return drop(error instanceof ApiError && error.status === 0 ? 'gone' : error instanceof ApiError && error.status === 423 ? 'locked' : 'no-session');
  }
  // Counting everything takes its time: it does not begin before the photos are here. What happens meanwhile is told to who listens then.
  const begun = (isOpen ? first() : Promise.resolve()).then(() => { void listen(); return refresh(); });
  await Promise.race([begun, new Promise((resolve) => setTimeout(resolve, PATIENCE))]);
  if (isOpen && session.stage === 'starting') session.stage = session.welcoming ? 'first' : 'open';
  await begun;
}

export async function refresh(): Promise<void> {
  try {
    const status = await ask();
    if (!status) return await refresh();
    if (status.locked) return drop('locked');
    saw(status);
    session.stage = status.first_run || session.welcoming ? 'first' : 'open';
  } catch (error) {
    if (error instanceof ApiError && error.status === 0) { drop('gone'); gone(); }
    else if (!(error instanceof ApiError)) throw error;
  }
}

/** The revision that the first list is of. */
export function begunAt(revision: number): void {
  if (session.revision === 0 && revision > 0) session.revision = revision;
}

function saw(status: Status): void {
  // Another moment of the library is shown: nothing of the one before is of use. Who looks back looks at photos, wherever a
  // window stands; of today each begins where it is.
  if (session.status && session.status.past?.shown !== status.past?.shown) {
    if (status.past) location.assign('/');
    else location.reload();
  }
  session.status = status;
  sawHidden(status.hidden?.open ?? false);
  session.revision = Math.max(session.revision, status.revision ?? 0);
}

export const unlock = (passphrase: string): Promise<void> => enter('unlock', { passphrase });
/** Opens the library by one of its ways. */
export async function enter(way: string, proof: object): Promise<void> {
  await post(way, proof);
  others.postMessage({ name: 'unlocked', data: null } satisfies News);
  await refresh();
}

export async function lock(): Promise<void> {
  await post('lock');
  drop('locked');
}

/** Lets hidden photos be told of until nobody has looked at them for a while. */
export async function openHidden(passphrase: string): Promise<void> {
  await post('hidden/open', { passphrase });
  heardHidden(true);
}

/** What they showed is gone from every window before the server is told, and stays away until it has answered. */
export async function closeHidden(): Promise<void> {
  blank();
  others.postMessage({ name: 'closing', data: null } satisfies News);
  await tellClosed();
}

let patience = 0;
function blank(): void {
  learnt();
  forgetAll(true);
  session.closing = 'asked';
  session.hidden = false;
  clearTimeout(patience);
  patience = window.setTimeout(() => { if (session.closing) session.closing = 'unheard'; }, UNHEARD);
}

async function tellClosed(): Promise<void> {
  try {
    await post('hidden/close');
  } catch (error) {
    if (session.closing) session.closing = 'unheard';
    throw error;
  }
  heardHidden(false);
  // The server says nothing of what was closed already, and the other windows wait for its word.
  others.postMessage({ name: 'hidden', data: { open: false } } satisfies News);
}

function heardHidden(open: boolean): void {
  const news = session.hidden !== open || session.closing;
  hiddenKnownAt = ++asked;
  sawHidden(open);
  // What counts photos counts them anew.
  if (news) void refreshCounts();
}

function sawHidden(open: boolean): void {
  // Said before the server heard that they are to be closed.
  if (session.closing && open) return;
  session.closing = false;
  if (session.hidden !== open) {
    if (!open) forgetAll(true);
    if (hiddenKnown) session.turns++;
    session.hidden = open;
  }
  hiddenKnown = true;
}

/** After a write of our own, without waiting for the server's event. */
export function sawRevision(revision: number): void {
  if (revision > session.revision) {
    session.revision = revision;
    void refreshCounts();
  }
}

let counting = false;
let recount = false;
/** One at a time, and once more for everything that happened meanwhile. */
async function refreshCounts(): Promise<void> {
  recount = true;
  if (counting) return;
  counting = true;
  while (recount) {
    recount = false;
    const status = await ask().catch(() => undefined);
    // Something newer was known before it was here.
    if (status === null) recount = true;
    if (status && !status.locked && (session.stage === 'open' || session.stage === 'first')) saw(status);
  }
  counting = false;
}

let waiting = false;
function gone(): void {
  if (waiting) return;
  waiting = true;
  session.stage = 'gone';
  const again = async (): Promise<void> => {
    try {
      // A server that was started again knows nothing of this window; that is told apart from one that is away.
      const isKnown = (await knownHere()) !== null;
      waiting = false;
      if (!isKnown) return lost();
      void listen();
      if (session.closing) await tellClosed().catch(() => {});
      await refresh();
    } catch (error) {
      if (error instanceof ApiError && error.status === 0) setTimeout(() => void again(), 2_000);
      else waiting = false;
    }
  };
  setTimeout(() => void again(), 1_000);
}

// Of all windows of one browser one listens to the server, and tells the others: each connection that stays open is one
// less for pictures. A window that holds the lock is the one; when it closes, the next in line takes over.
interface News { name: string; data: unknown }
const told = new Map<string, (data: unknown) => void>();
/** Hears of one kind of event, in whichever window it arrives. */
export const onNews = (name: string, heard: (data: unknown) => void): void => { told.set(name, heard); };
const LISTENER = 'safelight-events';
const others = new BroadcastChannel(LISTENER);
others.onmessage = ({ data }: MessageEvent<News>): void => { if (listening && !listening.signal.aborted) hear(data); };

function hear({ name, data }: News): void {
  if (name === 'revision') sawRevision((data as { revision: number }).revision);
  else if (name === 'locked') drop('locked');
  else if (name === 'hidden') heardHidden((data as { open: boolean }).open);
  else if (name === 'closing') blank();
  else if (name === 'progress') session.progress = data as Session['progress'];
  else if (name === 'past') void refreshCounts();
  else if (name === 'places') { session.moved++; void refreshCounts(); }
  else if (name === 'gone' && session.stage === 'open') gone();
  told.get(name)?.(data);
  // Another window has unlocked the library, or made it.
  if (name === 'unlocked' ? session.stage === 'locked' : name === 'revision' && session.stage === 'first' && !session.welcoming) void refresh();
}

async function listen(): Promise<void> {
  listening?.abort();
  const mine = (listening = new AbortController());
  const asked = performance.now();
  try {
    await navigator.locks.request(LISTENER, { signal: mine.signal }, async () => {
      // Who waited for its turn may have missed what was said in between.
      if (performance.now() - asked > 1_000 && session.stage === 'open') void refresh();
      await follow(mine.signal);
    });
  } catch (error) {
    if (!mine.signal.aborted) throw error;
  }
}

async function follow(ended: AbortSignal): Promise<void> {
  for (let failures = 0; !ended.aborted; ) {
    try {
      await events((name, data) => {
        failures = 0;
        hear({ name, data });
        others.postMessage({ name, data } satisfies News);
      }, ended);
    } catch (error) {
      if (ended.aborted || (error instanceof ApiError && error.status === 401)) return;
      if (error instanceof ApiError && error.status === 0) { others.postMessage({ name: 'gone', data: null } satisfies News); return; }
    }
    failures++;
    await new Promise((resolve) => setTimeout(resolve, Math.min(30_000, 500 * 2 ** failures)));
    // It may have been started again meanwhile: then it knows nothing of this window, and would refuse what is asked next.
    if (!ended.aborted && (await knownHere().catch(() => undefined)) === null) { others.postMessage({ name: 'gone', data: null } satisfies News); return lost(); }
    // What was said meanwhile was missed: that it locked, that hidden photos are closed.
    if (session.stage === 'open' && !ended.aborted) void refresh();
  }
}
