// Many photos changed at once.
import assert from 'node:assert/strict';
import { chooseTwo, heard, mocked, test, violations } from './steps.mjs';

test('dates and places of many are changed at once', async ({ page, wrong }) => {
  await chooseTwo(page);
  await page.keyboard.press('e');
  const dialog = page.getByRole('dialog', { name: 'Date of 2 photos' });
  await dialog.waitFor();
  assert.deepEqual(await violations(page), []);
  await dialog.getByRole('radio', { name: /Set all/ }).focus();
  await page.keyboard.press('Space');
  await dialog.getByRole('textbox').fill('2031-05-14 23:30 +02:00');
  await page.keyboard.press('Enter');
  await heard(page, /Date of 2 photos changed/);
  await page.keyboard.press('Escape');
  if (mocked) return;
  const label = (text) => page.waitForFunction((wanted) => document.querySelector('[data-index="0"]')?.getAttribute('aria-label')?.includes(wanted), text);
  await label('May 14, 2031');
  await page.evaluate(() => document.querySelector('[data-index="0"]').focus());
  const open = async (key, name) => { await page.waitForFunction(() => document.querySelector('dialog') === null); await page.keyboard.press('Control+Home'); await page.keyboard.press(key); await page.getByRole('dialog', { name }).waitFor(); };
  // Those two are at the front now.
  await page.keyboard.press('Space');
  await page.keyboard.press('Shift+ArrowRight');
  await open('e', 'Date of 2 photos');
  await page.getByLabel('Hours').fill('1');
  await page.keyboard.press('Enter');
  await heard(page, /Date of 2 photos changed/);
  await label('May 15, 2031');
  await open('l', 'Place of 2 photos');
  await page.getByLabel('Degrees north and east').fill('38.7169, -9.1399');
  await page.getByLabel('Name', { exact: true }).fill('Grandmother’s garden');
  await page.keyboard.press('Enter');
  await heard(page, /Place of 2 photos changed/);
  await label('Grandmother’s garden');
  await open('l', 'Place of 2 photos');
  await page.getByRole('button', { name: 'As the file says' }).click();
  await heard(page, /Place of 2 photos changed/);
  await open('e', 'Date of 2 photos');
  await page.getByRole('button', { name: 'As the file says' }).click();
  await page.waitForFunction(() => !document.querySelector('[data-index="0"]').getAttribute('aria-label').includes('2031'));
  await page.keyboard.press('Escape');
  assert.deepEqual(wrong, []);
});
