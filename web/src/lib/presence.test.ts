import { expect, it } from 'vitest';
import { EVERY, presence } from './presence';

it('tells at the first input that somebody is there, and at most once in half a minute', () => {
  let now = 1000;
  let told = 0;
  const input = presence(() => { told++; }, () => now);
  expect(told).toBe(0);
  for (let at = 0; at < 10; at++) input();
  expect(told).toBe(1);
  now += EVERY - 1;
  input();
  expect(told).toBe(1);
  now += 1;
  input();
  input();
  expect(told).toBe(2);
  // Without input nothing is told, however long.
  now += 100 * EVERY;
  expect(told).toBe(2);
  input();
  expect(told).toBe(3);
});
