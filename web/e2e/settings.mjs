// What the settings change, and that it holds.
import assert from 'node:assert/strict';
import { open, standIn, visit } from './gallery.mjs';
import { focused, heard, mocked, test, toGrid, violations } from './steps.mjs';

const letter = (page, name) => page.getByRole('combobox', { name, exact: true });

test('letters are put onto other keys, or onto none, and the list of keys says so', async ({ page, wrong, pictures }) => {
  await visit(page, '/settings');
  await letter(page, 'Favourite').selectOption('x');
  await heard(page, /X: Favourite/);
  await pictures('settings-keys');
  await page.reload();
  assert.equal(await letter(page, 'Favourite').inputValue(), 'x', 'it is forgotten');
  await visit(page, '/');
  await page.reload();
  await toGrid(page);
  const heart = () => page.evaluate(() => document.activeElement.getAttribute('aria-label'));
  const before = await heart();
  await page.keyboard.press('f');
  await page.waitForTimeout(500);
  assert.equal(await heart(), before, 'the key that it had still does it');
  await page.keyboard.press('x');
  await page.waitForFunction((label) => document.activeElement?.getAttribute('aria-label') !== label, before);
  await page.keyboard.press('x');
  await page.waitForFunction((label) => document.activeElement?.getAttribute('aria-label') === label, before);
  await page.keyboard.press('?');
  await page.getByRole('dialog').waitFor();
  assert.match(await page.getByRole('dialog').innerText(), /X\s+Favourite/);
  assert.deepEqual(await violations(page), []);
  await page.keyboard.press('Escape');
  await visit(page, '/settings');
  await page.getByRole('button', { name: 'Turn all letters off' }).click();
  await heard(page, /No letter does anything/);
  assert.equal(await letter(page, 'Tags').inputValue(), '');
  await visit(page, '/');
  await page.reload();
  await toGrid(page);
  await page.keyboard.press('a');
  await page.keyboard.press('t');
  await page.waitForTimeout(300);
  assert.equal(await page.getByRole('dialog').count(), 0, 'a letter that is off opens something');
  assert.equal((await focused(page)).role, 'gridcell');
  await visit(page, '/settings');
  await page.getByRole('button', { name: 'As they were at first' }).click();
  await heard(page, /as they were at first/);
  assert.equal(await letter(page, 'Favourite').inputValue(), 'f');
  assert.deepEqual(wrong, []);
});

test('when it locks and how many pictures are decoded at once is chosen in the settings, and the command line says the same', async ({ page, wrong, pictures, library }) => {
  await visit(page, '/settings');
  const minutes = page.getByRole('spinbutton', { name: 'Lock after so many minutes without use' });
  assert.equal(await minutes.inputValue(), '15');
  await minutes.fill('30');
  await page.getByRole('radio', { name: 'Another number' }).check();
  await page.getByRole('spinbutton', { name: 'Pictures decoded at once' }).fill('3');
  assert.deepEqual(await violations(page), []);
  await page.keyboard.press('Enter');
  await heard(page, /Settings kept/);
  await pictures('settings-device');
  const rules = () => (mocked ? null : JSON.parse(library.run('local', '--json')).settings);
  if (!mocked) assert.deepEqual([rules().lock_after_seconds, rules().workers], [1800, 3]);
  // What the page would not let through the library refuses, and says why.
  await minutes.evaluate((field) => { field.form.noValidate = true; });
  await minutes.fill('2000');
  await minutes.press('Enter');
  await page.getByRole('alert').filter({ hasText: 'a gallery locks itself after 1 minute at the soonest and 24 hours at the latest' }).waitFor();
  if (!mocked) assert.equal(rules().lock_after_seconds, 1800);
  assert.deepEqual(wrong, []);
  if (mocked) return;
  // A time that no field shows to the second stays when another rule is kept.
  library.run('local', 'set', 'lock-after=100s');
  await page.reload();
  await minutes.waitFor();
  assert.equal(await minutes.inputValue(), '1.7');
  await page.getByRole('spinbutton', { name: 'Pictures decoded at once' }).fill('2');
  await page.keyboard.press('Enter');
  await heard(page, /Settings kept/);
  assert.deepEqual([rules().lock_after_seconds, rules().workers], [100, 2]);
  library.run('local', 'set', 'lock-after=15m', 'workers=auto');
  await page.reload();
  await minutes.waitFor();
  assert.equal(await minutes.inputValue(), '15');
  assert.ok(await page.getByRole('radio', { name: /As many as this machine has cores/ }).isChecked());
  assert.deepEqual(wrong, []);
});

test('on a narrow screen with text of 200 % nothing that is written on a picture lies over something else', async ({ browser, pictures }) => {
  const serve = standIn(300);
  const { context, page, wrong } = await open(browser, await serve.address, { viewport: { width: 320, height: 800 } });
  await page.evaluate(() => localStorage.setItem('safelight-look', JSON.stringify({ text: 200 })));
  await page.reload();
  await page.waitForSelector('[role=gridcell] .pick');
  const meetings = () => page.evaluate(() => {
    const found = [];
    for (const cell of document.querySelectorAll('[role=gridcell]')) {
      const marks = [...cell.querySelectorAll('.pick, .length, .stack, .fav, .sync')].filter((one) => one.checkVisibility({ opacityProperty: true, visibilityProperty: true })).map((one) => [one.className, one.getBoundingClientRect()]);
      for (const [name, a] of marks) for (const [other, b] of marks) if (a !== b && a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom) found.push(`${name} and ${other}: ${cell.getAttribute('aria-label')}`);
    }
    return found;
  });
  for (let step = 0; step < 6; step++) {
    assert.deepEqual(await meetings(), []);
    if (step === 0) await pictures('photos-narrow-200', page);
    await page.mouse.move(160, 400);
    await page.mouse.wheel(0, 500);
    await page.waitForTimeout(400);
  }
  await page.locator('[role=gridcell]').first().focus();
  await page.keyboard.press('Space');
  await page.waitForSelector('.chosen');
  assert.deepEqual(await meetings(), [], 'while something is chosen');
  assert.deepEqual(wrong, []);
  await context.close();
  await serve.stop();
});
