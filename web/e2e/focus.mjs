// Whoever works by keys stands somewhere after everything that was done.
import assert from 'node:assert/strict';
import { visit } from './gallery.mjs';
import { focused, heard, mocked, test, toGrid, toOneOfItsName } from './steps.mjs';

/** What has the focus once everything has come to rest; the body is nowhere. */
async function stands(page, after) {
  await page.waitForFunction(() => document.querySelector('dialog') === null);
  await page.waitForTimeout(700);
  const at = await focused(page);
  assert.notEqual(at.tag, 'BODY', `after ${after} the focus is nowhere`);
  return at;
}
const more = async (page, name) => {
  await page.getByRole('toolbar').getByRole('button', { name: 'More' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').getByRole('button', { name }).focus();
  await page.keyboard.press('Enter');
};
async function choose(page, count) {
  await visit(page, '/');
  await page.reload();
  await toGrid(page);
  await page.keyboard.press('Space');
  for (let more = 1; more < count; more++) await page.keyboard.press('Shift+ArrowRight');
  await heard(page, new RegExp(`${count} chosen`));
}

test('after every action by keys the focus stands on something, and the keys work on from there', async ({ page, wrong }) => {
  if (mocked) return;
  // The bar of the selection goes: back to the photos.
  await choose(page, 2);
  await page.getByRole('button', { name: 'Choose nothing' }).focus();
  await page.keyboard.press('Enter');
  assert.equal((await stands(page, 'choosing nothing')).role, 'gridcell');

  // A dialog that is left takes the keys back to the bar, and letters mean the chosen photos there, too.
  await choose(page, 2);
  await page.getByRole('toolbar').getByRole('button', { name: 'More' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('Escape');
  assert.equal((await stands(page, 'leaving More')).name, 'More');
  for (const [key, title] of [['e', /Date of 2/], ['l', /Place of 2/], ['a', /Add 2/], ['t', /Tags of 2/]]) {
    await page.keyboard.press(key);
    await page.getByRole('dialog', { name: title }).waitFor();
    await page.keyboard.press('Escape');
    assert.equal((await stands(page, key)).name, 'More');
  }

  // What takes photos out of the list, or many together.
  await choose(page, 3);
  await more(page, /Make a stack/);
  await heard(page, /3 photos are one stack now/);
  assert.equal((await stands(page, 'making a stack')).role, 'gridcell');
  await page.locator('[data-index="0"][aria-label*="Stack of 3"]').waitFor();
  await page.keyboard.press('Control+Home');
  await page.keyboard.press('Space');
  await more(page, /Take the stack apart/);
  await heard(page, /3 photos stand on their own again|2 photos stand on their own again/);
  assert.equal((await stands(page, 'taking it apart')).role, 'gridcell');

  await choose(page, 1);
  await more(page, 'Hide');
  await heard(page, /1 photo hidden/);
  assert.equal((await stands(page, 'hiding')).role, 'gridcell');
  await page.keyboard.press('z');
  await heard(page, /Undone: 1 photo hidden/);

  await choose(page, 1);
  await page.keyboard.press('Delete');
  await heard(page, /put into the trash/);
  assert.equal((await stands(page, 'putting away')).role, 'gridcell');
  await visit(page, '/trash');
  await page.waitForSelector('[role=gridcell]');
  await page.evaluate(() => document.querySelector('[role=gridcell]').focus());
  await page.keyboard.press('Control+A');
  await page.getByRole('button', { name: 'Bring back' }).focus();
  await page.keyboard.press('Enter');
  await page.getByText('The trash is empty').waitFor();
  await stands(page, 'bringing back the last');

  // The last favourite, by the key that makes it none.
  await choose(page, 1);
  await page.keyboard.press('f');
  await heard(page, /1 photo is a favourite now/);
  await visit(page, '/favourites');
  await page.waitForSelector('[role=gridcell]');
  for (let left = await page.locator('[role=gridcell]').count(); left > 0; left--) {
    await page.evaluate(() => document.querySelector('[role=gridcell]').focus());
    await page.keyboard.press('f');
    await page.waitForFunction((count) => document.querySelectorAll('[role=gridcell]').length < count, left);
    await stands(page, 'unmaking a favourite');
  }
  assert.deepEqual(wrong, []);
});

test('what was taken out of the list and comes back has the focus, in the list and in the viewer', async ({ page, wrong }) => {
  if (mocked) return;
  await visit(page, '/');
  await page.reload();
  await toGrid(page);
  await page.keyboard.press('ArrowRight');
  await toOneOfItsName(page);
  const { name, index } = await focused(page);
  const goes = async () => {
    await page.keyboard.press('Delete');
    await heard(page, /^1 photo put into the trash/);
    await page.waitForFunction((gone) => ![...document.querySelectorAll('[data-index]')].some((cell) => cell.getAttribute('aria-label') === gone), name);
  };
  const isBack = () => page.waitForFunction((wanted) => document.activeElement.getAttribute('aria-label') === wanted, name);
  // Wherever the reader has gone in the list since, by the key and by the message.
  await goes();
  await page.keyboard.press('Control+End');
  await page.keyboard.press('z');
  await isBack();
  assert.equal((await focused(page)).index, index);
  await goes();
  await page.locator('.toast').getByRole('button', { name: 'Undo' }).focus();
  await page.keyboard.press('Enter');
  await isBack();
  // Several at once: the first one of them.
  await page.keyboard.press('Space');
  await page.keyboard.press('Shift+ArrowRight');
  await page.keyboard.press('Delete');
  await heard(page, /^2 photos put into the trash/);
  await page.keyboard.press('z');
  await isBack();

  // What never left draws nobody to it.
  await page.keyboard.press('f');
  await heard(page, /is a favourite now/);
  await page.waitForFunction(() => /favourite/i.test(document.activeElement?.getAttribute('aria-label') ?? ''));
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('z');
  await heard(page, /^Undone/);
  await page.waitForTimeout(700);
  assert.equal((await focused(page)).index, String(Number(index) + 2));
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('ArrowLeft');
  await isBack();

  // In the viewer it is shown again, and the keys work on it.
  await page.keyboard.press('Enter');
  const viewer = page.locator('dialog[open]');
  await viewer.locator('.stage').waitFor();
  const called = await viewer.locator('.stage').getAttribute('aria-label');
  const shows = () => page.waitForFunction((wanted) => document.activeElement.matches('.stage') && document.activeElement.getAttribute('aria-label') === wanted, called);
  for (const takeBack of [() => page.keyboard.press('z'), async () => { await viewer.getByRole('button', { name: 'Undo' }).focus(); await page.keyboard.press('Enter'); }]) {
    await shows();
    await page.keyboard.press('Delete');
    await page.waitForFunction((gone) => document.querySelector('dialog .stage').getAttribute('aria-label') !== gone, called);
    await takeBack();
    await shows();
  }
  await page.keyboard.press('Escape');
  await isBack();

  // The last one of a list, which was empty meanwhile.
  await page.keyboard.press('f');
  await heard(page, /1 photo is a favourite now/);
  await visit(page, '/favourites');
  await page.waitForSelector('[role=gridcell] .pick');
  assert.equal(await page.locator('[role=gridcell]').count(), 1);
  const kept = await page.locator('[role=gridcell]').getAttribute('aria-label');
  await page.evaluate(() => document.querySelector('[role=gridcell]').focus());
  await page.keyboard.press('f');
  await page.getByText('No favourites yet').waitFor();
  await page.keyboard.press('z');
  await page.waitForFunction((wanted) => document.activeElement.getAttribute('aria-label') === wanted, kept);
  await page.keyboard.press('f');
  await page.getByText('No favourites yet').waitFor();
  assert.deepEqual(wrong, []);
});

test('on the pages beside the photos, and in the viewer, what is taken away takes no focus along', async ({ page, wrong, library }) => {
  if (mocked) return;
  // An album that is made, named anew, and removed.
  await visit(page, '/albums');
  await page.getByRole('button', { name: 'New album' }).focus();
  await page.keyboard.press('Enter');
  await page.keyboard.type('Standing');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Standing' }).waitFor();
  await stands(page, 'making an album');
  const menu = async (name) => {
    await page.getByRole('button', { name: /Rename, move or remove/ }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').getByRole('button', { name, exact: true }).focus();
    await page.keyboard.press('Enter');
  };
  await menu('Rename album');
  await page.getByRole('dialog').getByLabel('Name').fill('Standing still');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Standing still' }).waitFor();
  await stands(page, 'renaming it');

  // In the viewer: the last tag and the last album of a photo, whose chips go with them.
  await choose(page, 1);
  await page.keyboard.press('Escape');
  await page.keyboard.press('a');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.type('Standing still');
  await page.keyboard.press('Enter');
  await heard(page, /is in Standing still now/);
  await stands(page, 'putting it into an album');
  await page.keyboard.press('t');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.type('standing');
  await page.keyboard.press('Enter');
  await heard(page, /Tags of 1 photo changed/);
  await stands(page, 'tagging it');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Enter');
  await page.locator('dialog[open] .stage').waitFor();
  await page.keyboard.press('i');
  for (const [name, told] of [['Remove tag standing', /Tags of 1 photo changed/], ['Take out of Standing still', /taken out of Standing still/]]) {
    const chip = page.getByRole('complementary').getByRole('button', { name });
    await chip.focus();
    await page.keyboard.press('Enter');
    await heard(page, told);
    await page.waitForFunction(() => document.activeElement !== document.body && document.activeElement.closest('dialog'));
    await chip.waitFor({ state: 'detached' });
    await page.waitForTimeout(400);
    assert.notEqual((await focused(page)).tag, 'BODY', String(name));
  }
  await page.keyboard.press('Escape');
  assert.equal((await stands(page, 'leaving the viewer')).role, 'gridcell');

  // A word of a search that is taken away.
  await visit(page, '/?q=type:photo+is:favourite');
  await page.getByRole('button', { name: 'Search without is:favourite' }).focus();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => new URL(location.href).searchParams.get('q') === 'type:photo');
  await stands(page, 'taking a word out of a search');
  await page.getByRole('button', { name: 'Clear search' }).focus();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => location.search === '');
  await stands(page, 'clearing a search');

  await visit(page, '/albums');
  await page.getByRole('link', { name: /Standing still/ }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Standing still' }).waitFor();
  await menu('Remove album');
  await page.getByRole('dialog', { name: 'Remove album' }).waitFor();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Albums', exact: true }).waitFor();
  await stands(page, 'removing an album');
  assert.ok(!library.run('album', 'list').includes('Standing'));
  assert.deepEqual(wrong, []);
});

test('what was done in a window is listed, newest first, and any of it is taken back', async ({ page, wrong, pictures }) => {
  if (mocked) return;
  await visit(page, '/');
  await page.reload();
  await toGrid(page);
  await page.keyboard.press('Shift+Z');
  const dialog = page.getByRole('dialog', { name: 'What was done in this window' });
  await dialog.getByText('There is nothing to take back').waitFor();
  await page.keyboard.press('Escape');
  const first = page.locator('[data-index="0"]');
  const before = await first.getAttribute('aria-label');
  const other = /4 stars/.test(before) ? '3' : '4';
  await page.keyboard.press(other);
  await heard(page, new RegExp(`rated: ${other} stars`));
  await page.keyboard.press('f');
  await heard(page, /favourite/);
  await page.keyboard.press('r');
  await heard(page, /turned/);
  await page.keyboard.press('Shift+Z');
  await dialog.waitFor();
  const rows = dialog.getByRole('listitem');
  assert.equal(await rows.count(), 3);
  assert.deepEqual((await rows.allTextContents()).map((text) => (/turned|favourite|rated/.exec(text) ?? [''])[0]), ['turned', 'favourite', 'rated']);
  await pictures('changes');
  // The oldest first; the focus stays in the list.
  await rows.nth(2).getByRole('button').focus();
  await page.keyboard.press('Enter');
  await heard(page, /Undone: 1 photo rated/);
  await page.waitForFunction(() => document.querySelectorAll('dialog li').length === 2 && document.activeElement.closest('dialog li'));
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelectorAll('dialog li').length === 1);
  await page.keyboard.press('Enter');
  await dialog.getByText('There is nothing to take back').waitFor();
  await page.keyboard.press('Escape');
  await page.waitForFunction((label) => document.querySelector('[data-index="0"]').getAttribute('aria-label') === label, before);
  assert.equal((await stands(page, 'the list of changes')).role, 'gridcell');
  assert.deepEqual(wrong, []);
});
