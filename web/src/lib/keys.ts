// Single letters that do something, and which letter a person wants for each. Everything that listens to letters asks
// here what was meant: a letter by its place in the program, whatever key it lies on now.
import { change, settings } from './settings.svelte';

/** All of them, as they are at first; several pages may use the same one. */
export const LETTERS = ['a', 'c', 'd', 'e', 'f', 'h', 'i', 'k', 'l', 'm', 'n', 'o', 'p', 'r', 's', 't', 'w', 'y', 'z'] as const;

/** The letter that does what `letter` does at first; empty where nothing shall. */
export const letterFor = (letter: string): string => settings.keys[letter] ?? letter;

/** The keys of some letters as they are written, to be named in a sentence. */
export const written = (...letters: string[]): Record<string, string> => Object.fromEntries(letters.map((letter) => [letter, letterFor(letter).toUpperCase() || '–']));

/** What a key means: a letter that was moved is told as the one it stands for, one that stands for nothing as nothing. */
export function meant(event: KeyboardEvent): string {
  const { key } = event;
  if (!/^[a-z]$/i.test(key) || event.ctrlKey || event.metaKey) return key;
  const small = key.toLowerCase();
  const letter = LETTERS.find((one) => letterFor(one) === small);
  if (letter) return key === small ? letter : letter.toUpperCase();
  return (LETTERS as readonly string[]).includes(small) ? '' : key;
}

/** Puts a letter onto another key, or onto none; what lay there takes the key that became free, so that no key means two things. */
export function putLetter(letter: string, on: string): void {
  const keys: Record<string, string> = Object.fromEntries(LETTERS.map((one) => [one, letterFor(one)]));
  const there = on === '' ? undefined : LETTERS.find((one) => one !== letter && keys[one] === on);
  if (there) keys[there] = keys[letter]!;
  keys[letter] = on;
  change({ keys: Object.fromEntries(Object.entries(keys).filter(([one, key]) => one !== key)) });
}

/** Every letter does nothing, or all are as they were at first. */
export const allLetters = (on: boolean): void => change({ keys: on ? {} : Object.fromEntries(LETTERS.map((one) => [one, ''])) });
