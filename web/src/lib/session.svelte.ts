// Whether this window may talk to the server, and what of the library it may show now.
import { ApiError, events, get, hasSecret, keepSecret, onTrouble, post, send } from './api';
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
  /** The first steps go on although there is a library now. */
  welcoming: boolean;
  progress: { task: string; done: number; of: number | null } | null;
}

export const session = $state<Session>({ stage: 'starting', media: '', status: null, revision: 0, hidden: false, welcoming: false, progress: null });

/** How long the first look waits for what is known of the library as a whole, in milliseconds. */
const PATIENCE = 120;

let listening: AbortController | null = null;

onTrouble((error) => {
  if (error.status === 401) drop('no-session');
  else if (error.status === 423) drop('locked');
  // One that ends says first that it is locked.
  else if (error.status === 0 && (session.stage === 'open' || session.stage === 'locked')) gone();
});

const forgetting: (() => void)[] = [];
/** For what is kept beside the pages: forgets it when the library shuts. */
export const onShut = (forget: () => void): void => { forgetting.push(forget); };

/** Nothing of the library stays on the page: every component that shows any is gone with the stage. */
function drop(stage: Stage): void {
  for (const forget of forgetting) forget();
  session.stage = stage;
  session.status = null;
  session.hidden = false;
  session.welcoming = false;
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

interface Opened { secret?: string; media: string; instance: string }

export async function start(): Promise<void> {
  const token = launchToken();
  try {
    if (token === null && !hasSecret()) return drop('no-session');
    if (token !== null) keepSecret(null);
    const opened = token === null ? await get<Opened>('session') : await post<Opened>('session', { token });
    if (opened.secret) keepSecret(opened.secret);
    session.media = opened.media.replace(/\/$/, '');
  } catch (error) {
    return drop(error instanceof ApiError && error.status === 0 ? 'gone' : error instanceof ApiError && error.status === 423 ? 'locked' : 'no-session');
  }
  void listen();
  // Counting everything takes its time where many linked files are away; the photos do not wait for it.
  const known = refresh();
  await Promise.race([known, new Promise((resolve) => setTimeout(resolve, PATIENCE))]);
  if (session.stage === 'starting') session.stage = 'open';
  await known;
}

export async function refresh(): Promise<void> {
  try {
    const status = await get<Status>('status');
    if (status.locked) return drop('locked');
    saw(status);
    session.stage = status.first_run || session.welcoming ? 'first' : 'open';
  } catch (error) {
    if (error instanceof ApiError && error.status === 0) drop('gone');
    else if (!(error instanceof ApiError)) throw error;
  }
}

function saw(status: Status): void {
  session.status = status;
  session.hidden = status.hidden?.open ?? false;
  session.revision = Math.max(session.revision, status.revision ?? 0);
}

export async function unlock(passphrase: string): Promise<void> {
  await post('unlock', { passphrase });
  await refresh();
}

export async function lock(): Promise<void> {
  await post('lock');
  drop('locked');
}

/** Lets hidden photos be told of until nobody has looked at them for a while. */
export async function openHidden(passphrase: string): Promise<void> {
  await post('hidden/open', { passphrase });
  await sawHidden(true);
}

export async function closeHidden(): Promise<void> {
  await post('hidden/close');
  await sawHidden(false);
}

/** What counts photos counts them anew. */
async function sawHidden(open: boolean): Promise<void> {
  if (session.hidden === open) return;
  session.hidden = open;
  await refreshCounts();
}

/** After a write of our own, without waiting for the server's event. */
export function sawRevision(revision: number): void {
  if (revision > session.revision) {
    session.revision = revision;
    void refreshCounts();
  }
}

async function refreshCounts(): Promise<void> {
  const status = await get<Status>('status').catch(() => null);
  if (status && !status.locked && (session.stage === 'open' || session.stage === 'first')) saw(status);
}

let waiting = false;
function gone(): void {
  if (waiting) return;
  waiting = true;
  session.stage = 'gone';
  const again = async (): Promise<void> => {
    try {
      // A server that was started again knows nothing of this window; that is told apart from one that is away.
      await send('GET', 'session');
      waiting = false;
      void listen();
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
  else if (name === 'hidden') void sawHidden((data as { open: boolean }).open);
  else if (name === 'progress') session.progress = data as Session['progress'];
  else if (name === 'gone' && session.stage === 'open') gone();
  told.get(name)?.(data);
  // Another window has made the library.
  if (name === 'revision' && session.stage === 'first' && !session.welcoming) void refresh();
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
    // What was said meanwhile was missed: that it locked, that hidden photos are closed.
    if (session.stage === 'open' && !ended.aborted) void refresh();
  }
}
