// The way through the gallery by keys alone.
import assert from 'node:assert/strict';
import { visit } from './gallery.mjs';
import { answersLate, focused, heard, mocked, test, toGrid, toOneOfItsName } from './steps.mjs';

test('everything can be done with the keyboard alone', async ({ page, wrong }) => {
  await visit(page, '/');
  await page.reload();
  await toGrid(page);
  assert.equal(await page.locator('[role=gridcell][tabindex="0"]').count(), 1, 'one stop for Tab in the grid');
  await page.keyboard.press('ArrowRight');
  assert.equal((await focused(page)).index, '1');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Control+End');
  const total = await page.evaluate(() => Number(document.activeElement?.getAttribute('data-index')) + 1);
  assert.ok(total > 1, 'the last photo has the focus');
  await page.keyboard.press('Control+Home');
  assert.equal((await focused(page)).index, '0');

  // Choose two and make them favourites; take it back.
  await page.keyboard.press('Space');
  await page.keyboard.press('Shift+ArrowRight');
  await heard(page, /2 chosen/);
  await page.keyboard.press('f');
  await heard(page, /2 photos are favourites now/);
  await page.keyboard.press('z');
  await heard(page, /Undone/);
  await page.keyboard.press('Escape');
  // A key means what is seen.
  await page.waitForFunction(() => !/favourite/i.test(document.activeElement?.getAttribute('aria-label') ?? 'favourite'));

  // And from wherever one has gone meanwhile.
  await page.keyboard.press('f');
  await heard(page, /1 photo is a favourite now/);
  await visit(page, '/settings');
  await page.keyboard.press('z');
  await heard(page, /Undone/);
  await visit(page, '/');
  await page.locator('[data-index="0"]').focus();

  // Into a new album.
  await page.keyboard.press('a');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.type('Trips/By hand');
  await page.keyboard.press('Enter');
  await heard(page, /in Trips\/By hand now/);

  // Into the viewer, on to the next, rate it, turn it, and back to where it was.
  await page.evaluate(() => document.querySelector('[data-index="0"]').focus());
  await page.keyboard.press('Escape');
  await page.keyboard.press('Enter');
  await page.locator('dialog[open] .stage').waitFor();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('4');
  await heard(page, /rated: 4 stars/);
  await page.keyboard.press('i');
  await page.locator('aside', { hasText: 'Where it rests' }).waitFor();
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.activeElement?.getAttribute('data-index') === '1');

  // Search by keys, with a mistake on the way.
  await page.keyboard.press('/');
  await page.keyboard.type('date:2023-13');
  await page.keyboard.press('Enter');
  await page.locator('mark').waitFor();
  assert.equal(await page.locator('mark').textContent(), '2023-13');
  await page.evaluate(() => document.querySelector('#search').focus());
  await page.keyboard.press('Control+A');
  await page.keyboard.type('rating:4');
  await page.keyboard.press('Enter');
  // Files may say four stars themselves: whatever is found has them.
  await page.waitForFunction(() => {
    const found = [...document.querySelectorAll('[role=gridcell]')];
    return found.length > 0 && found.every((cell) => cell.getAttribute('aria-label')?.includes('4 stars'));
  });

  // Into the trash and out again.
  await page.evaluate(() => document.querySelector('[role=gridcell]').focus());
  await page.keyboard.press('Delete');
  await heard(page, /put into the trash/);
  await visit(page, '/trash');
  await page.waitForSelector('[role=gridcell]');
  await page.evaluate(() => document.querySelector('[role=gridcell]').focus());
  await page.keyboard.press('Space');
  await page.getByRole('button', { name: 'Bring back' }).focus();
  await page.keyboard.press('Enter');
  await page.getByText('The trash is empty').waitFor();
  assert.deepEqual(wrong, []);
});

test('keys pressed faster than the server answers mean the photo they were pressed for', async ({ page, wrong }) => {
  await visit(page, '/');
  await page.reload();
  await page.waitForSelector('[role=gridcell] img');
  const name = (index) => page.evaluate((at) => document.querySelector(`[data-index="${at}"]`).getAttribute('aria-label'), index);
  const slow = async (route) => { await new Promise((resolve) => setTimeout(resolve, 700)); await route.continue().catch(() => {}); };
  const [first, second, third] = [await name(0), await name(1), await name(2)];
  await page.route('**/timeline/*', slow);
  await page.locator('[data-index="0"]').focus();
  // The list comes anew because of this; while it is under way, the reader opens the photo and goes on.
  await page.keyboard.press('2');
  await heard(page, /rated: 2 stars/);
  await page.waitForResponse(/timeline.skeleton/);
  await page.keyboard.press('Enter');
  const viewer = page.locator('dialog[open]');
  await viewer.locator('.stage').waitFor();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('5');
  await heard(page, /rated: 5 stars/);
  await page.waitForTimeout(2_500);
  assert.match(await viewer.getAttribute('aria-label'), /^\D*3\D/, 'the third photo stays open');
  await page.unroute('**/timeline/*', slow);
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.activeElement?.getAttribute('data-index') === '2');
  const plain = (label) => label.split(',').filter((part) => !/star/.test(part)).join(',');
  for (const [index, before, stars] of [[0, first, '2 stars'], [1, second, null], [2, third, '5 stars']]) {
    const now = await name(index);
    assert.equal(plain(now), plain(before), 'the list is in the same order');
    if (stars) assert.match(now, new RegExp(stars)); else assert.equal(now, before);
  }
  assert.deepEqual(wrong, []);
});

test('Z takes back one change after the other, also when their messages are gone', async ({ page, wrong }) => {
  if (mocked) return;
  await visit(page, '/');
  await page.reload();
  await toGrid(page);
  const first = page.locator('[data-index="0"]');
  const label = await first.getAttribute('aria-label');
  const is = (wanted) => page.waitForFunction((wanted) => document.querySelector('[data-index="0"]')?.getAttribute('aria-label') === wanted, wanted);
  const other = async (than) => { await page.waitForFunction((than) => document.querySelector('[data-index="0"]')?.getAttribute('aria-label') !== than, than); return first.getAttribute('aria-label'); };
  // One that it has not yet.
  await page.keyboard.press(/4 stars/.test(label) ? '3' : '4');
  const rated = await other(label);
  await page.keyboard.press('f');
  await other(rated);
  await page.locator('.toast').getByRole('button', { name: 'Dismiss' }).click();
  await first.focus();
  await page.keyboard.press('z');
  await is(rated);
  await page.keyboard.press('z');
  await is(label);
  await page.keyboard.press('z');
  await heard(page, /nothing to take back/);
  assert.deepEqual(wrong, []);
});

test('what undo brings back has the focus as soon as it is seen, in the list and in the viewer', async ({ page, wrong }) => {
  if (mocked) return;
  await visit(page, '/');
  await page.reload();
  await toGrid(page);
  const label = (at) => page.evaluate((at) => document.querySelector(`[data-index="${at}"]`)?.getAttribute('aria-label'), at);
  await page.keyboard.press('ArrowRight');
  const [first, gone] = [await label(0), await label(1)];
  await page.keyboard.press('Delete');
  await heard(page, /put into the trash/);
  await page.waitForFunction((gone) => document.querySelector('[data-index="1"]')?.getAttribute('aria-label') !== gone, gone);
  await page.locator('[data-index="0"]').focus();
  const positions = await answersLate(page, '**/timeline/position*');
  try {
    await page.keyboard.press('z');
    // Without a step between: whatever key comes then is about the one that is back.
    const seen = await page.waitForFunction((gone) => (document.querySelector('[data-index="1"]')?.getAttribute('aria-label') === gone ? document.activeElement?.getAttribute('aria-label') : false), gone);
    assert.equal(await seen.jsonValue(), gone, `and not ${first}`);
    await heard(page, /Undone/);
    await page.waitForTimeout(2_500);
  } finally { await positions(); }

  await toOneOfItsName(page);
  await page.keyboard.press('Enter');
  const dialog = page.locator('dialog[open]');
  await dialog.locator('.stage').waitFor();
  const title = () => dialog.locator('h2').first().textContent();
  const name = await title();
  await page.keyboard.press('Delete');
  await heard(page, /put into the trash/);
  await page.waitForFunction((name) => document.querySelector('dialog h2')?.textContent !== name, name);
  await page.waitForTimeout(500);
  // Every photo that is shown from here on, in their order.
  await page.evaluate(() => {
    globalThis.titles = [];
    const title = document.querySelector('dialog h2');
    new MutationObserver(() => { const now = title.textContent; if (globalThis.titles.at(-1) !== now) globalThis.titles.push(now); }).observe(title, { characterData: true, childList: true, subtree: true });
  });
  await page.keyboard.press('z');
  await heard(page, /Undone/);
  await page.waitForFunction((name) => document.querySelector('dialog h2')?.textContent === name, name);
  await page.waitForTimeout(800);
  assert.deepEqual(await page.evaluate(() => globalThis.titles), [name], 'it comes back at once, and stays');
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.querySelector('dialog') === null);
  assert.deepEqual(wrong, []);
});

test('what changes nothing says so, and a slash in a name says that one album comes into another', async ({ page, wrong }) => {
  if (mocked) return;
  await visit(page, '/');
  await page.reload();
  await toGrid(page);
  await page.keyboard.press('3');
  await heard(page, /rated: 3 stars/);
  await page.keyboard.press('3');
  await heard(page, /Nothing changed/);
  await page.keyboard.press('z');
  await heard(page, /Undone/);
  await page.keyboard.press('a');
  const dialog = page.getByRole('dialog');
  await dialog.waitFor();
  await page.keyboard.type('Slashed/Inner');
  await dialog.getByRole('button', { name: 'Make the album Slashed, and Inner in it' }).waitFor();
  await page.keyboard.press('Enter');
  await heard(page, /in Slashed\/Inner now/);
  await page.keyboard.press('a');
  await dialog.waitFor();
  await page.keyboard.type('Slashed/Other');
  await dialog.getByRole('button', { name: 'Make the album Other in Slashed' }).waitFor();
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.querySelector('dialog') === null);
  await page.keyboard.press('Escape');
  assert.deepEqual(wrong, []);
});
