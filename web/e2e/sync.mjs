// Sync switches: of photos, of an album, with a question where more would go than somebody may expect.
import { mkdirSync } from 'node:fs';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { visit } from './gallery.mjs';
import { chooseTwo, focused, heard, mocked, test, violations } from './steps.mjs';

/** Two places in folders beside the library: one that takes everything, one that takes what is chosen and asks beyond two. */
export function connectTwo(library) {
  if (mocked || library.connected) return;
  library.connected = true;
  for (const name of ['nas', 'cloud']) mkdirSync(join(library.folder, name));
  library.run('remote', 'add', 'nas', `folder:${join(library.folder, 'nas')}`);
  library.run('remote', 'add', 'cloud', `folder:${join(library.folder, 'cloud')}`, '--policy', 'selective');
  library.run('remote', 'set', 'cloud', 'expose=2');
}
const of = (within, remote) => within.locator('li', { has: within.page().getByText(remote, { exact: true }) });
const pressed = (within, remote) => of(within, remote).locator('[aria-pressed=true]').allTextContents();

test('photos are switched on for a remote and off again by keys, and the switch is undone', async ({ page, wrong, library, pictures }) => {
  connectTwo(library);
  await chooseTwo(page);
  await page.keyboard.press('w');
  const dialog = page.getByRole('dialog', { name: 'Where 2 photos go' });
  await dialog.waitFor();
  await of(dialog, 'cloud').waitFor();
  assert.equal((await focused(page)).tag, 'BUTTON', 'the first switch has the focus');
  assert.deepEqual(await pressed(dialog, 'cloud'), ['By policy']);
  await of(dialog, 'cloud').getByText('None of them goes there.').waitFor();
  assert.deepEqual(await violations(page), []);
  await of(dialog, 'cloud').getByRole('button', { name: 'Send' }).focus();
  await page.keyboard.press('Enter');
  await heard(page, /2 photos go to cloud now/);
  await of(dialog, 'cloud').getByText(/All 2 go there/).waitFor();
  await of(dialog, 'cloud').getByText('Their own switches decide.').waitFor();
  assert.deepEqual(await pressed(dialog, 'cloud'), ['Send']);
  await pictures('sync-switches');
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.querySelector('dialog') === null);
  await page.evaluate(() => document.querySelector('[data-index="0"]').focus());
  await page.keyboard.press('z');
  await heard(page, /Undone/);
  await page.keyboard.press('w');
  await of(dialog, 'cloud').getByText('None of them goes there.').waitFor();
  assert.deepEqual(await pressed(dialog, 'cloud'), ['By policy']);
  // Away from a place that takes everything.
  await of(dialog, 'nas').getByRole('button', { name: 'Keep away' }).focus();
  await page.keyboard.press('Enter');
  await heard(page, /2 photos are kept away from nas now/);
  await of(dialog, 'nas').getByRole('button', { name: 'By policy' }).focus();
  await page.keyboard.press('Enter');
  await heard(page, /The policy of nas decides of 2 photos again/);
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  assert.deepEqual(wrong, []);
});

test('one photo is switched in the viewer, where it says who decides', async ({ page, wrong, library }) => {
  connectTwo(library);
  await visit(page, '/');
  await page.waitForSelector('[role=gridcell] img');
  await page.evaluate(() => document.querySelector('[data-index="0"]').focus());
  await page.keyboard.press('Enter');
  await page.locator('dialog[open] .stage').waitFor();
  await page.keyboard.press('w');
  const panel = page.locator('aside', { hasText: 'Where it goes' });
  await of(panel, 'cloud').waitFor();
  await page.waitForFunction(() => document.activeElement?.closest('aside') !== null && document.activeElement.tagName === 'BUTTON');
  await of(panel, 'cloud').getByText('The policy of the place decides: Only what is chosen.').waitFor();
  await of(panel, 'cloud').getByRole('button', { name: 'Send' }).focus();
  await page.keyboard.press('Enter');
  await of(panel, 'cloud').getByText('Its own switch decides.').waitFor();
  assert.deepEqual(await violations(page), []);
  // The next photo: the focus does not get lost with the panel of this one.
  await page.keyboard.press('ArrowRight');
  await page.waitForFunction(() => document.activeElement?.classList.contains('stage'));
  await page.keyboard.press('ArrowLeft');
  await of(panel, 'cloud').getByRole('button', { name: 'By policy' }).click();
  await of(panel, 'cloud').getByText('The policy of the place decides: Only what is chosen.').waitFor();
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.querySelector('dialog') === null);
  assert.deepEqual(wrong, []);
});

test('an album is switched on only after the question how much that sends', async ({ page, wrong, library, pictures }) => {
  connectTwo(library);
  if (!mocked) {
    await visit(page, '/');
    await page.reload();
    await page.waitForSelector('[role=gridcell] img');
    await page.evaluate(() => document.querySelector('[data-index="0"]').focus());
    for (const key of ['Space', 'Shift+ArrowRight', 'Shift+ArrowRight', 'Shift+ArrowRight']) await page.keyboard.press(key);
    await heard(page, /4 chosen/);
    await page.keyboard.press('a');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.type('Iceland');
    await page.keyboard.press('Enter');
    await heard(page, /4 photos are in Iceland now/);
    await page.keyboard.press('Escape');
  }
  await visit(page, '/albums');
  await page.getByRole('link', { name: /Iceland/ }).click();
  await page.getByRole('button', { name: /^Rename, move or remove/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Where it goes' }).click();
  const dialog = page.getByRole('dialog', { name: /Where “.*Iceland” goes/ });
  await of(dialog, 'cloud').getByRole('button', { name: 'Send' }).focus();
  await page.keyboard.press('Enter');
  const ask = dialog.getByRole('alert');
  await ask.getByText(/This newly sends (4|240) originals \(.+\) to cloud/).waitFor();
  assert.deepEqual(await violations(page), []);
  await pictures('sync-consent');
  await ask.getByRole('button', { name: 'Leave it as it was' }).focus();
  await page.keyboard.press('Enter');
  assert.deepEqual(await pressed(dialog, 'cloud'), ['By policy'], 'nothing was changed');
  await page.waitForFunction(() => document.activeElement?.getAttribute('aria-pressed') === 'true');
  await of(dialog, 'cloud').getByRole('button', { name: 'Send' }).focus();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => /^Send all/.test(document.activeElement?.textContent ?? ''));
  await page.keyboard.press('Enter');
  await heard(page, /This album goes to cloud now/);
  await of(dialog, 'cloud').getByText(/The switch of the album “.*Iceland” decides/).waitFor();
  await of(dialog, 'cloud').getByRole('button', { name: 'By policy' }).click();
  await heard(page, /decides of this album again/);
  await page.keyboard.press('Escape');
  assert.deepEqual(wrong, []);
});
