// Plays a video that the server makes anew while it is watched: pieces of it go into a media source, which the element
// plays as if the whole were there. Who seeks to what is not there yet has it made from there on.
import type { Problem } from '../lib/api';

/** So many seconds are read ahead of what is shown; then the server waits. */
const AHEAD = 30;
/** So many seconds behind it are kept. */
const BEHIND = 60;
/** Who moves a slider seeks many times a second; asked for is where it comes to rest. */
const RESTS_MS = 150;
/** A stream that breaks off (another window plays, nobody watched for long) goes on when more of it is needed, so many times in a row. */
const BREAKS = 3;

/** So many seconds before a second that a film does not have its end is looked for, then ever twice as many. */
const STEP = 4;

/** The whole second to ask for, so that what is sought lies within what comes. */
export const begins = (at: number): number => Math.max(0, Math.floor(at - 0.5));

/** Where the stretch of `ranges` that holds a moment ends; null where none does. */
export function heldUntil(ranges: Pick<TimeRanges, 'length' | 'start' | 'end'>, at: number): number | null {
  for (let one = 0; one < ranges.length; one++) if (ranges.start(one) <= at + 0.05 && at < ranges.end(one)) return ranges.end(one);
  return null;
}

/** Where what was read from a second on ends: its beginning may be let go of again while it goes on. */
export function reachedBy(ranges: Pick<TimeRanges, 'length' | 'start' | 'end'>, from: number, before: number): number {
  // Its first picture may come a little later than where it was asked for.
  return Math.max(before, heldUntil(ranges, before) ?? heldUntil(ranges, from + 1) ?? before);
}

const heard = (target: EventTarget, names: string[], signal: AbortSignal): Promise<void> => new Promise((resolve) => {
  const done = new AbortController();
  const end = (): void => { done.abort(); resolve(); };
  if (signal.aborted) return end();
  signal.addEventListener('abort', end, { signal: done.signal });
  for (const name of names) target.addEventListener(name, end, { signal: done.signal });
});

/** What is made of videos, and by which types a browser says that it plays it. */
const FORMS = { h264: 'video/mp4; codecs="avc1.4d401f, mp4a.40.2"', vp8: 'video/webm; codecs="vp8, opus"' };
const plays = (): string => Object.entries(FORMS).filter(([, type]) => MediaSource.isTypeSupported(type)).map(([form]) => form).join(',');

/** Begins to play `address` in an element; `seconds` is its length, where it is known. Answers what ends it. */
export function play(video: HTMLVideoElement, address: string, seconds: number | null, failed: (problem: Problem) => void): () => void {
  const source = new MediaSource();
  const whole = new AbortController();
  let asked = new AbortController();
  let buffer: SourceBuffer | null = null;
  /** From where on is being read; null while nothing is. */
  let reading: number | null = null;
  /** Where what is being read ends by now. */
  let reached = 0;
  let broken = false;
  let breaks = 0;
  let soon = 0;
  let step = STEP;
  const url = URL.createObjectURL(source);
  video.src = url;
  const opened = heard(source, ['sourceopen'], whole.signal);

  const idle = async (signal: AbortSignal): Promise<void> => { while (buffer?.updating && !signal.aborted) await heard(buffer, ['updateend'], signal); };

  async function read(at: number): Promise<void> {
    asked.abort();
    const { signal } = asked = new AbortController();
    const from = begins(at);
    let got = 0;
    reading = reached = from;
    broken = false;
    try {
      const answer = await fetch(`${address}from=${from}&plays=${plays()}`, { signal, credentials: 'same-origin', cache: 'no-store', redirect: 'error' });
      if (!answer.ok) return refused(((await answer.json()) as { error: Problem }).error, from);
      const type = answer.headers.get('content-type') ?? '';
      if (!MediaSource.isTypeSupported(type)) return failed({ code: 'cannot-convert', message: type });
      await opened;
      await idle(signal);
      if (signal.aborted) return;
      if (!buffer) {
        buffer = source.addSourceBuffer(type);
        if (seconds) source.duration = seconds;
      } else if (source.readyState === 'open') buffer.abort();
      // What comes counts from where it was asked for.
      buffer.timestampOffset = from;
      const reader = answer.body!.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        while (!signal.aborted && (heldUntil(video.buffered, video.currentTime) ?? 0) - video.currentTime > AHEAD) await heard(video, ['timeupdate', 'seeking'], signal);
        if (signal.aborted) return;
        buffer.appendBuffer(value);
        got += value.length;
        await idle(signal);
        const old = video.currentTime - BEHIND;
        reached = reachedBy(video.buffered, from, reached);
        // It goes on: what broke off before is made good.
        if (reached > at + 1) { breaks = 0; step = STEP; }
        if (!signal.aborted && video.buffered.length > 0 && video.buffered.start(0) < old - BEHIND) { buffer.remove(0, old); await idle(signal); }
        if (signal.aborted) return;
      }
      // An ffmpeg may begin what has no picture, and end it at once.
      if (from > 0 && reached <= from) return refused({ code: 'nothing-follows', message: '' }, from);
      breaks = 0;
      if (source.readyState === 'open') source.endOfStream();
    } catch {
      if (signal.aborted) return;
      if (++breaks > BREAKS) return failed({ code: 'unexpected', message: '' });
      broken = true;
      if (got === 0) later();
    } finally {
      if (asked.signal === signal) reading = null;
    }
  }

  function refused(problem: Problem, from: number): void {
    // It is shorter than it says: it is gone back in until there is something of it, which is played to its end.
    if (problem.code === 'nothing-follows' && from > 0) {
      if (heldUntil(video.buffered, from) !== null) {
        if (source.readyState === 'open' && !buffer?.updating) source.endOfStream();
        return;
      }
      broken = true;
      video.currentTime = Math.max(0, from - step);
      step *= 2;
      return later();
    }
    // Another window of this session plays another video: this one goes on when somebody plays it here again.
    if (problem.code === 'another-video') broken = true;
    else failed(problem);
  }

  function later(): void {
    clearTimeout(soon);
    soon = window.setTimeout(() => {
      const until = heldUntil(video.buffered, video.currentTime);
      // It may have come meanwhile, or somebody seeks back to what is there.
      if (until === null) void read(video.currentTime);
      else if (broken) void read(until);
    }, RESTS_MS);
  }

  /** Reads on where something is shown soon that is not there, and nothing brings it. */
  function need(): void {
    const at = video.currentTime;
    const until = heldUntil(video.buffered, at);
    if (until !== null) {
      if (broken && !video.paused && until - at < 2) later();
      return;
    }
    if (reading !== null && at >= reading && at < Math.max(reached, reading + 1) + 2) return;
    // What was read to its end is as long as it is, whatever it says.
    const length = source.readyState === 'ended' ? source.duration : seconds;
    if (reading === null && !broken && length !== null && at >= length - 0.25) return;
    later();
  }
  for (const name of ['seeking', 'waiting', 'timeupdate', 'play']) video.addEventListener(name, need, { signal: whole.signal });
  void read(0);

  return () => {
    whole.abort();
    asked.abort();
    clearTimeout(soon);
    video.removeAttribute('src');
    video.load();
    URL.revokeObjectURL(url);
  };
}
