import { beforeAll, describe, expect, it, vi } from 'vitest';
import { changeText, fieldName } from './history';
import { paging } from './i18n.svelte';

// Its words come with the pages that are fetched when they are opened.
beforeAll(async () => {
  vi.stubGlobal('document', { documentElement: { lang: '' } });
  await paging(Promise.resolve());
});

const change = (code: string, values: Record<string, string>) => changeText({ when: '', device: '', what: 'as the server says it', why: { code, values } });

describe('what was done with a photo', () => {
  it('is a sentence by what was written', () => {
    expect(change('set', { field: 'rotate', value: '1' })).toBe('Turned by 90° from how it was taken');
    expect(change('set', { field: 'rotate', value: '0' })).toBe('Turned back to how it was taken');
    expect(change('set', { field: 'rating', value: '1' })).toBe('Rated: 1 star');
    expect(change('set', { field: 'rating', value: '4' })).toBe('Rated: 4 stars');
    expect(change('cleared', { field: 'rating' })).toBe('Rating taken away');
    expect(change('set', { field: 'trashed', value: 'false' })).toBe('Brought back from the trash');
    expect(change('set', { field: 'caption', value: 'By the sea' })).toBe('Caption: By the sea');
    expect(change('cleared', { field: 'caption' })).toBe('Caption: taken away');
    expect(change('put-in', { album: 'Trips/Iceland' })).toBe('Put into the album Trips/Iceland');
    expect(change('moved-to', { from: 'a.jpg', to: 'b.jpg' })).toBe('Moved from a.jpg to b.jpg');
  });

  it('is what the server says where there is no sentence for it', () => {
    expect(change('something-newer', {})).toBe('as the server says it');
    expect(changeText({ when: '', device: '', what: 'as the server says it' })).toBe('as the server says it');
  });

  it('names fields, also of a later version', () => {
    expect(fieldName('rating')).toBe('Rating');
    expect(fieldName('content')).toBe('The file itself');
    expect(fieldName('99')).toBe('99');
  });
});
