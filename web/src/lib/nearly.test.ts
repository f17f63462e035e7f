import { expect, test } from 'vitest';
import { widened } from './nearly';

test('plain words are widened, and whatever means something else stays', () => {
  expect(widened('knock')).toBe('knock*');
  expect(widened('door knock rating:4')).toBe('door* knock* rating:4');
  expect(widened('porte-bébé or "front door"')).toBe('porte-bébé* or "front door"');
  expect(widened('knock*')).toBeNull();
  expect(widened('name:knock -is:raw (a')).toBeNull();
  expect(widened('')).toBeNull();
});
