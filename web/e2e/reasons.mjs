// Why something is as it is, in the reader's language: the server says a code beside its English sentence.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { visit } from './gallery.mjs';
import { mocked, test } from './steps.mjs';
import { connectTwo } from './sync.mjs';

test('a German and a French reader are told in their language why something is not there, and what is wrong', async ({ browser, again, library }) => {
  connectTwo(library);
  for (const [locale, why, because, file, gone] of [
    ['de-DE', 'Was nicht dort ist, und warum', 'Die Auswahl dieses Ortes verlangt es nicht.', 'Kartendatei auf diesem Computer', /liegt keine Datei/],
    ['fr-FR', 'Ce qui n’y est pas, et pourquoi', 'La sélection de ce lieu ne le demande pas.', 'Fichier de carte sur cet ordinateur', /Il n’y a pas de fichier à/],
  ]) {
    const { page, context } = await again(browser, { locale });
    await visit(page, '/remotes');
    const cloud = page.getByRole('region', { name: 'cloud', exact: true });
    await cloud.getByText(why).click();
    await cloud.getByText(because).first().waitFor();
    await visit(page, '/places');
    await page.getByRole('combobox', { name: file }).fill(join(tmpdir(), 'nowhere', 'at-all.pmtiles'));
    await page.keyboard.press('Enter');
    await page.getByRole('alert').filter({ hasText: gone }).waitFor();
    await context.close();
  }
});

test('what was done with a photo, and what is wrong with a search, is said in the reader’s language', async ({ browser, again, library }) => {
  if (mocked) return;
  // The oldest, as other tests change the newest; its history may still tell of the same change twice.
  const photo = JSON.parse(library.run('list', 'type:photo', '--json')).at(-1);
  library.run('set', photo.id, 'rotate=90', 'rating=3');
  try {
    for (const [locale, turned, rated, wrong] of [
      ['en-GB', 'Turned by 90° from how it was taken', 'Rated: 3 stars', 'there is no filter `tga:`; did you mean `tag:`?'],
      ['de-DE', 'Um 90° gegenüber der Aufnahme gedreht', 'Bewertet: 3 Sterne', 'Einen Filter „tga:“ gibt es nicht; meinten Sie „tag:“?'],
      ['fr-FR', 'Tournée de 90° par rapport à la prise de vue', 'Note : 3 étoiles', 'Il n’y a pas de filtre « tga: » ; vouliez-vous dire « tag: » ?'],
    ]) {
      const { page, context } = await again(browser, { locale });
      await visit(page, '/?q=tga:x');
      await page.getByRole('alert').filter({ hasText: wrong }).waitFor();
      await visit(page, `/?view=${photo.id}`);
      await page.getByRole('dialog').first().waitFor();
      await page.keyboard.press('i');
      await page.getByText(turned).first().waitFor();
      await page.getByText(rated).first().waitFor();
      await context.close();
    }
  } finally {
    library.run('set', photo.id, 'rotate=0', '--clear', 'rating');
  }
});

test('a search that is typed is offered the years, the cameras and the stars that there are', async ({ page, wrong, library }) => {
  if (mocked || !process.env.SAFELIGHT_CORPUS) return;
  await visit(page, '/');
  const search = page.getByRole('combobox', { name: 'Search', exact: true });
  const offered = async (text) => {
    await search.fill('');
    await search.pressSequentially(text);
    await page.getByRole('option', { name: new RegExp(`^${text}`) }).first().waitFor();
    return page.locator('[role=option] .text').allTextContents();
  };
  const count = (query) => JSON.parse(library.run('list', query, '--count', '--json')).count;
  for (const key of ['date:', 'camera:', 'rating:', 'place:']) {
    const found = await offered(key);
    assert.ok(found.every((one) => one.startsWith(key)), `${key}: ${found}`);
    if (key !== 'rating:') assert.ok(count(found[0]) > 0, `${found[0]} finds nothing`);
  }
  await search.fill('');
  await page.keyboard.press('Escape');
  assert.deepEqual(wrong, []);
});
