// What the mouse drags: photos onto albums, albums into others. The menus do the same, and are tried in their own tests.
import assert from 'node:assert/strict';
import { visit } from './gallery.mjs';
import { chooseTwo, heard, mocked, test, violations } from './steps.mjs';

const middle = async (of) => { const box = await of.boundingBox(); return [box.x + box.width / 2, box.y + box.height / 2]; };
/** Drags with the mouse; `then` is looked at before the button is let go. */
async function drag(page, from, to, then = async () => {}) {
  await page.mouse.move(...(await middle(from)));
  await page.mouse.down();
  // The browser begins a drag at the second movement.
  const [x, y] = await middle(from);
  await page.mouse.move(x + 12, y + 6, { steps: 3 });
  const target = to();
  await target.waitFor();
  await page.mouse.move(...(await middle(target)), { steps: 6 });
  await page.mouse.move(...(await middle(target)));
  await then(target);
  await page.mouse.up();
}
const albums = (library) => JSON.parse(library.run('album', 'list', '--json'));
const tray = (page) => page.getByRole('complementary', { name: /^Drop/ });

test('photos are dragged onto albums that show meanwhile, one or all that are chosen, and taken back', async ({ page, wrong, library, pictures }) => {
  if (mocked) return;
  library.run('album', 'add', 'Dragged');
  await visit(page, '/');
  await page.reload();
  await page.waitForSelector('[data-index="0"] img');
  const lies = () => albums(library).find((album) => album.path === 'Dragged').assets;
  // One that is not chosen, and nothing of it goes to other programs.
  await page.evaluate(() => addEventListener('dragstart', (event) => { globalThis.carried = [...event.dataTransfer.types].map((type) => [type, event.dataTransfer.getData(type)]); }));
  await drag(page, page.locator('[data-index="0"]'), () => tray(page).getByText('Dragged', { exact: true }), async (target) => {
    await page.waitForFunction(() => document.querySelector('.tray .over'));
    assert.match(await tray(page).textContent(), /Drop 1 photo on/);
    await pictures('drag-photo');
    void target;
  });
  await heard(page, /1 photo is in Dragged now/);
  assert.deepEqual(await page.evaluate(() => globalThis.carried), [['application/x-safelight', '']]);
  assert.equal(await tray(page).count(), 0);
  assert.equal(lies(), 1);
  await page.locator('.toast').getByRole('button', { name: 'Undo' }).click();
  await heard(page, /Undone: 1 photo is in Dragged now/);
  assert.equal(lies(), 0);
  // All that are chosen, with one of them.
  await chooseTwo(page);
  await drag(page, page.locator('[data-index="0"]'), () => tray(page).getByText('Dragged', { exact: true }));
  await heard(page, /2 photos are in Dragged now/);
  assert.equal(lies(), 2);
  // Onto a new one, which is asked for its name.
  await drag(page, page.locator('[data-index="0"]'), () => tray(page).getByText('New album'));
  const dialog = page.getByRole('dialog');
  await dialog.waitFor();
  assert.deepEqual(await violations(page), []);
  await page.keyboard.type('Dropped');
  await page.keyboard.press('Enter');
  await heard(page, /2 photos are in Dropped now/);
  // Let go elsewhere: nothing happens, and the albums go.
  await page.mouse.move(...(await middle(page.locator('[data-index="0"]'))));
  await page.mouse.down();
  await page.mouse.move(700, 400, { steps: 4 });
  await tray(page).waitFor();
  await page.mouse.up();
  await page.waitForFunction(() => document.querySelector('.tray') === null);
  await page.locator('[data-index="0"]').focus();
  await page.keyboard.press('Escape');
  for (const name of ['Dragged', 'Dropped']) library.run('album', 'remove', name, '--yes');
  assert.deepEqual(wrong, []);
});

test('an album is dragged into another and back to the top, never into itself; its menu has the same as a list', async ({ page, wrong, library, pictures }) => {
  if (mocked) return;
  for (const path of ['Nest', 'Bird', 'Bird/Egg']) library.run('album', 'add', path);
  library.run('album', 'add', 'Finds', '--search', 'rating:5');
  await visit(page, '/albums');
  const card = (name) => page.getByRole('link').filter({ has: page.getByText(name, { exact: true }) });
  await card('Nest').waitFor();
  const parentOf = (name) => { const all = albums(library); const one = all.find((album) => album.name === name); return all.find((album) => album.id === one.parent)?.name ?? null; };
  await drag(page, card('Bird'), () => card('Nest'), () => pictures('drag-album'));
  await heard(page, /Bird lies in Nest now/);
  assert.equal(parentOf('Bird'), 'Nest');
  await page.locator('.toast').getByRole('button', { name: 'Undo' }).click();
  await heard(page, /Undone: Bird lies in Nest now/);
  assert.equal(parentOf('Bird'), null);
  // Not into what lies in it, and not into what a search fills.
  for (const target of ['Egg', 'Finds']) {
    await drag(page, card('Bird'), () => card(target));
    await page.waitForTimeout(300);
    assert.equal(parentOf('Bird'), null, target);
  }
  await drag(page, card('Egg'), () => page.getByText('At the top, in no other album'));
  await heard(page, /Egg lies at the top now/);
  assert.equal(parentOf('Egg'), null);
  // The same by keys.
  await card('Egg').focus();
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: /Rename, move or remove/ }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').getByRole('button', { name: 'Move album', exact: true }).focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Where “Egg” lies' });
  await dialog.waitFor();
  assert.deepEqual(await violations(page), []);
  assert.deepEqual((await dialog.getByRole('listitem').allTextContents()).filter((text) => /Finds|Egg/.test(text)), [], 'only what can take it');
  await pictures('album-move');
  await page.keyboard.type('bird');
  await page.keyboard.press('Enter');
  await heard(page, /Egg lies in Bird now/);
  assert.equal(parentOf('Egg'), 'Bird');
  for (const name of ['Bird/Egg', 'Bird', 'Nest', 'Finds']) library.run('album', 'remove', name, '--yes');
  assert.deepEqual(wrong, []);
});
