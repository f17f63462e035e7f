import { expect, it } from 'vitest';
import { writtenAt } from './forget';

it('a receipt says when it was written; what is none says nothing', () => {
  expect(writtenAt('{"safelight_receipt":1,"written":"2026-11-29T12:00:00Z"}\n{"signature":"ab"}\n')).toBe('2026-11-29T12:00:00Z');
  for (const none of ['', '{', '{"written":3}']) expect(writtenAt(none)).toBe('');
});
