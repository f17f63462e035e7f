// Smart albums, and the searches that were made before.
import assert from 'node:assert/strict';
import { visit } from './gallery.mjs';
import { focused, heard, mocked, test, violations } from './steps.mjs';

const options = (page) => page.getByRole('option').allTextContents();
/** The search field, empty, with what it offers. */
async function offers(page) {
  await visit(page, '/');
  await page.reload();
  await page.waitForSelector('[role=gridcell]');
  await page.keyboard.press('/');
  await page.getByRole('option').first().waitFor();
  return options(page);
}

test('a search is kept as a smart album by keys, fills itself, and is changed, renamed and removed', async ({ page, wrong, pictures }) => {
  await visit(page, '/');
  await page.reload();
  await page.waitForSelector('[role=gridcell]');
  const total = Number(await page.locator('[role=grid]').getAttribute('aria-rowcount'));
  assert.ok(total > 0);
  await page.keyboard.press('/');
  await page.keyboard.type('type:photo rating:5');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Keep this search' }).focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'New smart album' });
  await dialog.waitFor();
  assert.equal((await focused(page)).tag, 'INPUT', 'the name is typed at once');
  await page.keyboard.type('Best of all');
  await dialog.getByText(/Finds/).waitFor();
  assert.deepEqual(await violations(page), []);
  await pictures('smart-new');
  await page.keyboard.press('Enter');
  await heard(page, /Best of all made/);
  await page.getByRole('heading', { name: 'Best of all' }).waitFor();
  await page.locator('code', { hasText: 'type:photo rating:5' }).waitFor();

  if (!mocked) {
    // What comes to match comes into it; other tests may have left photos that do.
    await page.getByRole('heading', { name: 'Nothing matches this search now' }).or(page.locator('[role=gridcell]').first()).waitFor();
    const before = await page.locator('[role=gridcell]').count();
    await visit(page, `/?q=${encodeURIComponent('type:photo -rating:5')}`);
    await page.waitForSelector('[role=gridcell] img');
    await page.evaluate(() => document.querySelector('[data-index="0"]').focus());
    await page.keyboard.press('5');
    await heard(page, /rated: 5 stars/);
    await visit(page, '/albums');
    await page.locator('li', { hasText: 'Best of all' }).getByText(before === 0 ? '1 photo' : `${before + 1} photos`, { exact: true }).waitFor();
    await page.getByRole('link', { name: /Best of all/ }).click();
    await page.waitForFunction((all) => document.querySelectorAll('[role=gridcell]').length === all, before + 1);
  }
  // Nothing can be put into it by hand, so no picker offers it.
  await visit(page, '/');
  await page.waitForSelector('[role=gridcell] img');
  await page.evaluate(() => document.querySelector('[data-index="0"]').focus());
  await page.keyboard.press('a');
  await page.getByRole('dialog').waitFor();
  await page.waitForTimeout(300);
  assert.equal(await page.getByRole('dialog').getByText('Best of all').count(), 0);
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');

  // Its search is changed: a mistake is shown where it is and is not taken.
  await visit(page, '/albums');
  await page.getByRole('link', { name: /Best of all/ }).focus();
  assert.match((await focused(page)).name, /Smart album/);
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Change the search', exact: true }).first().focus();
  await page.keyboard.press('Enter');
  const changing = page.getByRole('dialog', { name: 'Change the search' });
  await changing.waitFor();
  await page.keyboard.press('Control+A');
  await page.keyboard.type('date:2023-13');
  if (!mocked) {
    await changing.locator('mark', { hasText: '2023-13' }).waitFor();
    assert.ok(await changing.getByRole('button', { name: 'Save' }).isDisabled());
  }
  await page.keyboard.press('Control+A');
  await page.keyboard.type('rating:>=4');
  await changing.getByText(/Finds/).waitFor();
  await page.keyboard.press('Enter');
  await heard(page, /filled by another search now/);
  await page.locator('code', { hasText: 'rating:>=4' }).waitFor();
  assert.deepEqual(await violations(page), []);

  const menu = async (entry) => {
    await page.getByRole('button', { name: /^Change the search, rename/ }).click();
    await page.getByRole('dialog').getByRole('button', { name: entry }).click();
  };
  await menu('Rename album');
  await page.keyboard.press('Control+A');
  await page.keyboard.type('Favourites of mine');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Favourites of mine' }).waitFor();
  await pictures('smart-album');
  // As a saved search it stands in the search field, and the search itself says that it is kept.
  assert.ok((await offers(page)).some((text) => text.includes('Favourites of mine')));
  await page.keyboard.press('Escape');
  await visit(page, `/?q=${encodeURIComponent('rating:>=4')}`);
  await page.getByRole('link', { name: 'Kept as Favourites of mine' }).click();
  await page.getByRole('heading', { name: 'Favourites of mine' }).waitFor();
  await menu('Remove album');
  await page.getByText(/The photos that its search finds stay/).waitFor();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove album' }).click();
  await heard(page, /removed/);
  await page.getByRole('heading', { name: 'Albums', exact: true }).waitFor();
  assert.equal(await page.getByRole('link', { name: /Favourites of mine/ }).count(), 0);
  if (!mocked) {
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.getByRole('link', { name: /Favourites of mine/ }).waitFor();
  }
  assert.deepEqual(wrong, []);
});

test('a search that found something is offered again, and can be forgotten', async ({ page, wrong, pictures }) => {
  for (const words of ['type:photo', 'nothing']) {
    await visit(page, '/');
    await page.reload();
    await page.waitForSelector('[role=gridcell]');
    await page.keyboard.press('/');
    await page.keyboard.type(words);
    await page.keyboard.press('Enter');
    await page.waitForTimeout(600);
  }
  const found = await offers(page);
  assert.ok(found[0].includes('type:photo'), found.join(' | '));
  assert.ok(!found.some((text) => text.includes('nothing')), 'one that found nothing is not kept');
  assert.equal((await focused(page)).role, 'combobox');
  await page.keyboard.press('ArrowDown');
  assert.equal(await page.locator('[role=option][aria-selected=true]').textContent(), found[0]);
  assert.deepEqual(await violations(page), []);
  await pictures('search-recent');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Search without type:photo' }).waitFor();

  await offers(page);
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Delete');
  await page.waitForFunction(() => ![...document.querySelectorAll('[role=option]')].some((one) => one.textContent.trim() === 'type:photo'));
  // Nothing of it lies in the browser.
  assert.deepEqual(await page.evaluate(() => Object.keys(localStorage).filter((key) => key !== 'safelight-look')), []);
  await page.keyboard.press('Escape');
  assert.deepEqual(wrong, []);
});
