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

test('the place of many is one of the library, or the middle of the map, and nothing else can be saved', async ({ page, wrong, pictures }) => {
  if (mocked) return;
  await chooseTwo(page);
  const open = async () => { await page.waitForFunction(() => document.querySelector('dialog') === null); await page.keyboard.press('l'); await page.getByRole('dialog', { name: 'Place of 2 photos' }).waitFor(); };
  const save = page.getByRole('button', { name: 'Save' });
  const degrees = page.getByLabel('Degrees north and east');
  await open();
  assert.ok(await save.isDisabled());
  for (const text of ['Lisb', '38.7', '91, 10', '10, 181']) {
    await degrees.fill(text);
    await page.getByText('Degrees north and degrees east').waitFor();
    assert.ok(await save.isDisabled(), text);
  }
  await degrees.fill('38.7169, -9.1399');
  await page.getByLabel('Name', { exact: true }).fill('Lamp street');
  await save.click();
  await heard(page, /Place of 2 photos changed/);
  // By the map, with keys: what is in the middle.
  await open();
  await page.getByRole('button', { name: 'Choose on the map' }).focus();
  await page.keyboard.press('Enter');
  const map = page.getByRole('dialog').getByRole('group', { name: /map/i });
  await map.focus();
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => /^-?\d+\.\d+, -?\d+\.\d+$/.test(document.querySelector('dialog [aria-describedby$=wrong]').value));
  assert.deepEqual(await violations(page), []);
  await pictures('place-map');
  // By a name of the library: where the newest photo there was taken.
  await page.locator('dialog datalist option').first().waitFor({ state: 'attached' });
  const town = await page.locator('dialog datalist option').evaluateAll((all) => all.map((one) => one.value).find((name) => name.startsWith('Mountain View, ')));
  await page.getByLabel('Where you have photos already').fill(town);
  await page.waitForFunction(() => /^37\.\d+, -122\.\d+$/.test(document.querySelector('dialog [aria-describedby$=wrong]').value));
  assert.equal(await page.getByLabel('Name', { exact: true }).inputValue(), 'Mountain View');
  await save.click();
  await heard(page, /Place of 2 photos changed/);
  await page.waitForFunction(() => document.querySelector('[data-index="0"]')?.getAttribute('aria-label')?.includes('Mountain View'));
  await open();
  await page.getByRole('button', { name: 'As the file says' }).click();
  await heard(page, /Place of 2 photos changed/);
  await page.keyboard.press('Escape');
  assert.deepEqual(wrong, []);
});

test('a place of the library is taken whole, not for another of its name, and leaves nothing behind when it is typed on', async ({ page, wrong, library }) => {
  if (mocked) return;
  const ids = JSON.parse(library.run('list', '--json')).map((one) => one.id);
  // The newer photo is in the other town.
  const [newer, older] = ids.slice(-2);
  library.run('set', newer, 'place=40.7143,-74.0060');
  library.run('set', older, 'place=53.9591,-1.0815');
  await chooseTwo(page);
  await page.keyboard.press('l');
  await page.getByRole('dialog', { name: 'Place of 2 photos' }).waitFor();
  const known = page.getByLabel('Where you have photos already');
  const filled = () => Promise.all([page.getByLabel('Degrees north and east'), page.getByLabel('Name', { exact: true })].map((field) => field.inputValue()));
  await known.waitFor();
  const names = await page.locator('dialog datalist option').evaluateAll((all) => all.map((one) => one.value));
  const york = names.find((name) => name.startsWith('York, '));
  assert.ok(york && names.some((name) => name.startsWith('New York')), names.join('; '));
  await known.fill(york);
  assert.deepEqual(await filled(), ['53.95910, -1.08150', 'York']);
  await known.fill(`${york}town`);
  assert.deepEqual(await filled(), ['', '']);
  assert.ok(await page.getByRole('button', { name: 'Save' }).isDisabled());
  // What somebody typed stays.
  await known.fill(york);
  await page.getByLabel('Name', { exact: true }).fill('The Shambles');
  await known.fill('Yor');
  assert.deepEqual(await filled(), ['', 'The Shambles']);
  await page.keyboard.press('Escape');
  library.run('set', newer, older, '--clear', 'place');
  assert.deepEqual(wrong, []);
});
