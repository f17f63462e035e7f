// Calls to the server beside us. Every call carries the secret of this window in a header; nothing else does.

export interface Problem {
  code: string; message: string; hint?: string | null; at?: [number, number] | null;
  /** What would newly be sent, and how much at most goes without being asked about; with `needs-consent`. */
  exposes?: { remote: string; originals: number; bytes: number; most: number };
  /** The same as the message, by a code for which other languages have a sentence. */
  why?: { code: string; values: Record<string, string> } | null;
  /** The caption that is there now, where that was changed meanwhile. */
  caption?: string;
  /** Which setting is wrong. */
  setting?: string;
}

/** What the server said no with; `status` 0 when it did not answer. */
export class ApiError extends Error {
  constructor(readonly status: number, readonly problem: Problem) { super(problem.message); }
  get code(): string { return this.problem.code; }
}

const SECRET = 'safelight-secret';
let secret = sessionStorage.getItem(SECRET);
/** The one that the server knew no more: other windows may still offer it. */
let dead: string | null = null;

export function keepSecret(value: string | null): void {
  if (value === null) dead = secret ?? dead;
  secret = value;
  if (value === null) sessionStorage.removeItem(SECRET);
  else sessionStorage.setItem(SECRET, value);
}

export const hasSecret = (): boolean => secret !== null;

/** How long a new window waits for another one's answer, in milliseconds. */
const ANSWERS = 1_000;
// A window that was opened beside another one is handed the secret by that: only pages of this origin, its port included, hear
// the channel, as only they read the storage of a session. The cookie alone, which other ports get too, still opens nothing.
const hands = new BroadcastChannel('safelight-hand');
hands.onmessage = ({ data }: MessageEvent<string | null>): void => {
  if (data === null && secret !== null) hands.postMessage(secret);
  if (data !== null && secret === null && data !== dead) given(data);
};
let given: (secret: string) => void = () => {};
/** Hears of a session that another window begins while this one has none. */
export const onHanded = (heard: (secret: string) => void): void => { given = heard; };
/** Offers the session that has just begun to the windows that have none any more. */
export const offer = (): void => { if (secret !== null) hands.postMessage(secret); };

/** Asks the other windows of this browser for the secret of a session; answers whether one other than ours was given. */
export const handed = (): Promise<boolean> => new Promise((resolve) => {
  const asking = new BroadcastChannel('safelight-hand');
  const end = (given: boolean): void => { asking.close(); resolve(given); };
  asking.onmessage = ({ data }: MessageEvent<string | null>): void => { if (data !== null && data !== secret && data !== dead) { keepSecret(data); end(true); } };
  asking.postMessage(null);
  setTimeout(() => end(false), ANSWERS);
});

/** How long after the last touch a request is still somebody's, in milliseconds. */
const TOUCH = 10_000;
let touched = performance.now();
for (const kind of ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart', 'click', 'input']) addEventListener(kind, () => { touched = performance.now(); }, { capture: true, passive: true });

type Listener = (error: ApiError) => void;
let listener: Listener = () => {};
/** Hears of every lost session, locked library and unreachable server, whoever made the call. */
export const onTrouble = (heard: Listener): void => { listener = heard; };

export async function send(method: string, path: string, body?: unknown, signal?: AbortSignal, headers: HeadersInit = {}): Promise<Response> {
  const all = new Headers(headers);
  if (secret !== null) all.set('x-safelight', secret);
  // What the page asks by itself, as the server told it something, keeps neither the library nor hidden photos open.
  if (performance.now() - touched > TOUCH) all.set('x-safelight-unasked', '1');
  // What is refused of what somebody typed or chose is an answer too; the browser would write it down as an error.
  all.set('x-safelight-asks', '1');
  if (body !== undefined) all.set('content-type', 'application/json');
  let answer: Response;
  try {
    answer = await fetch(`/api/v1/${path}`, {
      method, headers: all, credentials: 'same-origin', cache: 'no-store', redirect: 'error',
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw heard(new ApiError(0, { code: 'server-gone', message: '' }));
  }
  if (answer.ok || answer.status === 304) return answer;
  throw heard(new ApiError(answer.status, await problem(answer)));
}

function heard(error: ApiError): ApiError {
  if (error.status === 0 || error.status === 401 || error.status === 423) listener(error);
  return error;
}

async function problem(answer: Response): Promise<Problem> {
  try {
    const { error } = (await answer.json()) as { error: Problem };
    if (typeof error.code === 'string') return error;
  } catch {
    // Not ours; falls through to what can be said of any answer.
  }
  return { code: 'unexpected', message: `${answer.status} ${answer.statusText}` };
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await (await send('GET', path, undefined, signal)).json()) as T;
}

export const list = <T>(path: string): Promise<T[]> => get<T[]>(path);

async function write<T>(method: string, path: string, body: unknown = {}): Promise<T> {
  const answer = await send(method, path, body);
  const said = (answer.status === 204 ? {} : await answer.json()) as T & { asks?: Problem };
  // Nothing was done: somebody must agree first, or change it. Whoever wrote asks, or shows it as any other problem.
  if (said?.asks) throw new ApiError(409, said.asks);
  return said;
}
export const post = <T>(path: string, body?: unknown): Promise<T> => write<T>('POST', path, body);
export const put = <T>(path: string, body?: unknown): Promise<T> => write<T>('PUT', path, body);
export const patch = <T>(path: string, body?: unknown): Promise<T> => write<T>('PATCH', path, body);
export const remove = <T>(path: string): Promise<T> => write<T>('DELETE', path);

export function query(parameters: Record<string, string | number | null | undefined>): string {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== null && value !== undefined && value !== '') pairs.set(name, String(value));
  const text = pairs.toString();
  return text === '' ? '' : `?${text}`;
}

/** The byte range of an error within a query, as a range of its characters. */
export function characters(text: string, at: [number, number]): [number, number] {
  const bytes = new TextEncoder().encode(text);
  const count = (end: number): number => new TextDecoder().decode(bytes.slice(0, end)).length;
  return [count(at[0]), count(at[1])];
}

/** Reads server-sent events; ends when the stream does. By `fetch`, so that the header goes along. */
export async function events(heard: (name: string, data: unknown) => void, signal: AbortSignal): Promise<void> {
  const answer = await send('GET', 'events', undefined, signal, { accept: 'text/event-stream' });
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += value.replace(/\r\n?/g, '\n');
    let end: number;
    while ((end = rest.indexOf('\n\n')) >= 0) {
      let name = 'message';
      const data: string[] = [];
      for (const line of rest.slice(0, end).split('\n')) {
        if (line.startsWith('event:')) name = line.slice(6).trim();
        if (line.startsWith('data:')) data.push(line.slice(5).trim());
      }
      rest = rest.slice(end + 2);
      try {
        if (data.length > 0 || name !== 'message') heard(name, data.length > 0 ? JSON.parse(data.join('\n')) : null);
      } catch {
        // One event that cannot be read does not end the stream.
      }
    }
  }
}
