import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Problem } from '../lib/api';
import { begins, heldUntil, play, reachedBy } from './proxy';

const ranges = (...pairs: [number, number][]): Pick<TimeRanges, 'length' | 'start' | 'end'> => ({ length: pairs.length, start: (at) => pairs[at]![0], end: (at) => pairs[at]![1] });

describe('a video that is made anew', () => {
  it('is asked for from a whole second before what is sought', () => {
    for (const [at, from] of [[0, 0], [0.4, 0], [0.6, 0], [12, 11], [12.4, 11], [12.5, 12], [12.9, 12]] as const) {
      expect(begins(at)).toBe(from);
      expect(begins(at)).toBeLessThanOrEqual(at);
    }
  });

  it('is held to the end of the stretch that a moment lies in', () => {
    const held = ranges([0.02, 31], [74, 80]);
    expect(heldUntil(held, 0)).toBe(31);
    expect(heldUntil(held, 30.9)).toBe(31);
    expect(heldUntil(held, 31)).toBe(null);
    expect(heldUntil(held, 50)).toBe(null);
    expect(heldUntil(held, 73.97)).toBe(80);
    expect(heldUntil(ranges(), 0)).toBe(null);
  });

  it('is read to where its own stretch ends, also when its beginning was let go of', () => {
    expect(reachedBy(ranges([40.1, 47]), 40, 40)).toBe(47);
    expect(reachedBy(ranges([0, 31], [60, 101]), 0, 100)).toBe(101);
    // Nothing new is there yet.
    expect(reachedBy(ranges([0, 31]), 30, 31)).toBe(31);
    expect(reachedBy(ranges(), 12, 12)).toBe(12);
  });
});

/** A player and what it plays, second by second: what a browser does with pieces of a film, as far as it matters here. */
class Buffer extends EventTarget {
  updating = false;
  timestampOffset = 0;
  held: [number, number][] = [];
  appendBuffer(piece: Uint16Array): void {
    const start = this.timestampOffset + piece[0]!;
    this.change([...this.held.filter(([from, to]) => to < start || from > start + 1), this.held.filter(([from, to]) => to >= start && from <= start + 1)
      .reduce<[number, number]>(([from, to], other) => [Math.min(from, other[0]), Math.max(to, other[1])], [start, start + 1])]);
  }
  remove(from: number, to: number): void { this.change(this.held.flatMap(([start, end]): [number, number][] => (end <= from || start >= to ? [[start, end]] : end > to ? [[to, end]] : []))); }
  abort(): void { /* Nothing of a piece is left half read here. */ }
  private change(held: [number, number][]): void {
    this.held = held.sort(([one], [other]) => one - other);
    this.updating = true;
    setTimeout(() => { this.updating = false; this.dispatchEvent(new Event('updateend')); }, 1);
  }
}
class Source extends EventTarget {
  static made: Source;
  static isTypeSupported(): boolean { return true; }
  readyState = 'open';
  duration = NaN;
  buffer = new Buffer();
  constructor() { super(); Source.made = this; setTimeout(() => this.dispatchEvent(new Event('sourceopen')), 1); }
  addSourceBuffer(): Buffer { return this.buffer; }
  endOfStream(): void { this.readyState = 'ended'; this.duration = this.buffer.held.at(-1)?.[1] ?? 0; }
}
class Player extends EventTarget {
  paused = false;
  src = '';
  private at = 0;
  get currentTime(): number { return this.at; }
  set currentTime(at: number) { this.at = at; this.dispatchEvent(new Event('seeking')); }
  get buffered(): ReturnType<typeof ranges> { return ranges(...(Source.made?.buffer.held ?? [])); }
  /** One second goes by. */
  async second(): Promise<void> {
    const is = this.at < (heldUntil(this.buffered, this.at) ?? 0);
    if (is) this.at++;
    this.dispatchEvent(new Event(is ? 'timeupdate' : 'waiting'));
    await vi.advanceTimersByTimeAsync(1000);
  }
}

describe('a player of what is made anew', () => {
  /** From where on the server was asked. */
  let asked: number[] = [];
  let failed: Problem[] = [];
  /** Whether the server refuses what has no picture, or ends it at once. */
  let refuses = true;
  let player: Player;
  /** What the server says of a second of a film: its piece, nothing yet, that it breaks off, or that the film is over. */
  let film: (at: number) => 'piece' | 'slow' | 'broken' | 'over';
  const answer = (from: number, signal: AbortSignal): unknown => {
    let at = from;
    const read = async (): Promise<{ done: boolean; value?: Uint16Array }> => {
      for (;;) {
        if (signal.aborted) throw new Error('aborted');
        const said = film(at);
        if (said === 'broken') throw new Error('broken off');
        if (said === 'over') return { done: true };
        if (said === 'piece') return { done: false, value: Uint16Array.of(at++ - from) };
        await new Promise((resolve) => { setTimeout(resolve, 100); });
      }
    };
    if (refuses && from > 0 && film(from) === 'over') return { ok: false, json: async () => ({ error: { code: 'nothing-follows', message: '' } }) };
    return { ok: true, headers: new Headers({ 'content-type': 'video/mp4' }), body: { getReader: () => ({ read }) } };
  };

  beforeEach(() => {
    vi.useFakeTimers();
    asked = [];
    failed = [];
    refuses = true;
    player = new Player();
    vi.stubGlobal('window', globalThis);
    vi.stubGlobal('MediaSource', Source);
    vi.spyOn(URL, 'createObjectURL').mockReturnValue('blob:film');
    vi.stubGlobal('fetch', async (address: string, { signal }: { signal: AbortSignal }) => {
      const from = Number(/from=(\d+)/.exec(address)![1]);
      asked.push(from);
      return answer(from, signal);
    });
  });
  afterEach(() => { vi.useRealTimers(); vi.unstubAllGlobals(); vi.restoreAllMocks(); });
  const begin = (seconds: number): void => { play(player as unknown as HTMLVideoElement, 'v?', seconds, (problem) => failed.push(problem)); };

  it('goes on after every long pause, and gives up only where it gets no further', async () => {
    // It breaks off at each of these once, as when nobody took anything for long.
    const breaks = new Set([40, 80, 120, 160, 200, 240]);
    film = (at) => (at >= 300 ? 'over' : breaks.delete(at) ? 'broken' : 'piece');
    begin(300);
    for (let second = 0; second < 320; second++) await player.second();
    expect(failed).toEqual([]);
    expect(player.currentTime).toBe(300);
    expect(asked.length).toBe(7);
  });

  it('gives up where it breaks off again and again', async () => {
    film = (at) => (at >= 50 ? 'broken' : 'piece');
    begin(300);
    for (let second = 0; second < 120 && failed.length === 0; second++) await player.second();
    expect(failed.map(({ code }) => code)).toEqual(['unexpected']);
    expect(asked.length).toBe(4);
  });

  it.each([true, false])('plays the last of a film that is shorter than it says to who goes behind its end (refused: %s)', async (is) => {
    refuses = is;
    film = (at) => (at >= 200 ? 'over' : 'piece');
    begin(300);
    for (let second = 0; second < 10; second++) await player.second();
    player.currentTime = 290;
    for (let second = 0; second < 200 && player.currentTime !== 200; second++) await player.second();
    expect(failed).toEqual([]);
    expect(asked.length).toBeLessThan(9);
    expect(asked.at(-1)).toBeGreaterThan(30);
    expect([player.currentTime, Source.made.readyState, Source.made.duration]).toEqual([200, 'ended', 200]);
  });

  it('ends where a film that broke off shows nothing more', async () => {
    let is = true;
    film = (at) => (at < 40 ? 'piece' : is && at === 40 ? 'broken' : 'over');
    begin(300);
    for (let second = 0; second < 60; second++) {
      if (player.currentTime > 36) { is = false; film = (at) => (at < 38 ? 'piece' : 'over'); }
      await player.second();
    }
    expect(failed).toEqual([]);
    expect([player.currentTime, Source.made.readyState, Source.made.duration]).toEqual([40, 'ended', 40]);
    expect(asked).toEqual([0, 39]);
  });

  it('waits for what is being made, also when its beginning was let go of', async () => {
    let made = 0;
    film = (at) => (at >= 400 ? 'over' : at <= made ? 'piece' : 'slow');
    begin(400);
    for (let second = 0; second < 440; second++) {
      // The server is a little slower than the film for a while, in its middle.
      made += second < 150 || second > 250 ? 3 : 0.9;
      if (second === 150) made = player.currentTime;
      await player.second();
    }
    expect(asked).toEqual([0]);
    expect(player.currentTime).toBe(400);
    expect(player.buffered.start(0)).toBeGreaterThan(200);
  });
});
