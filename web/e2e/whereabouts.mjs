// Where everything is: what goes to remotes and what waits, a sync, making room, the archive.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { drawNoise, Library, open, standIn, visit } from './gallery.mjs';
import { focused, heard, mocked, test, violations } from './steps.mjs';
import { connectTwo } from './sync.mjs';

const card = (page, remote) => page.getByRole('region', { name: remote, exact: true });
const done = async (page, kind) => page.locator('section.job', { hasText: kind }).getByText('Done', { exact: true }).waitFor();
const nothingRunsOff = (page) => page.evaluate(() => [...document.querySelectorAll('.page, main, dialog')].filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.className || one.tagName));

test('a remote is synced, and says what is not there and why', async ({ page, wrong, library, pictures }) => {
  connectTwo(library);
  await visit(page, '/remotes');
  await card(page, 'nas').waitFor();
  await page.getByRole('button', { name: 'Sync everything now' }).focus();
  await page.keyboard.press('Enter');
  await done(page, 'Syncing');
  await page.locator('section.job').getByText(/rests? there whole/).first().waitFor();
  assert.deepEqual(await violations(page), []);
  await card(page, 'nas').getByText(/safe there. Nothing waits/).waitFor();
  await card(page, 'cloud').getByText('What is not there, and why').focus();
  await page.keyboard.press('Enter');
  await card(page, 'cloud').getByText('Stays here').waitFor();
  await card(page, 'cloud').getByText('What it costs').focus();
  await page.keyboard.press('Enter');
  await card(page, 'cloud').getByText(mocked ? /An estimate by/ : /Nobody publishes prices/).waitFor();
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    assert.deepEqual(await violations(page), [], colorScheme);
  }
  await pictures('remotes-why');
  await page.locator('section.job').getByRole('button', { name: 'Dismiss' }).click();
  assert.equal(await page.locator('section.job').count(), 0);
  assert.deepEqual(wrong, []);
});

test('what goes to a remote is changed by keys: a mistake is shown, much is asked about, limits and quiet hours are kept', async ({ page, wrong, library, pictures }) => {
  connectTwo(library);
  await visit(page, '/remotes');
  await card(page, 'cloud').getByRole('button', { name: 'Change: cloud' }).focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'What goes to cloud, and when' });
  await dialog.waitFor();
  assert.equal((await focused(page)).tag, 'INPUT');
  const search = dialog.getByRole('combobox', { name: 'Search for what goes there' });
  await search.focus();
  await page.keyboard.press('Control+A');
  await page.keyboard.type('rating:9');
  await page.keyboard.press('Enter');
  await dialog.locator('mark', { hasText: '9' }).waitFor();
  assert.deepEqual(await violations(page), []);
  await search.focus();
  await page.keyboard.press('Control+A');
  await page.keyboard.type('type:photo');
  await dialog.getByRole('checkbox', { name: /Limit the speed/ }).check();
  await dialog.getByLabel('At most').fill('500');
  await dialog.getByRole('checkbox', { name: /Quiet hours/ }).check();
  await pictures('remote-settings');
  await dialog.getByRole('button', { name: 'Save' }).focus();
  await page.keyboard.press('Enter');
  await dialog.getByText(/This newly sends [\d,]+ originals/).waitFor();
  assert.match((await focused(page)).name, /^Send all/);
  assert.deepEqual(await violations(page), []);
  // Left as it was: nothing of it holds.
  await dialog.getByRole('button', { name: 'Leave it as it was' }).click();
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await page.waitForFunction(() => document.querySelector('dialog') === null);
  assert.equal(await card(page, 'cloud').getByText(/^Quiet 22:00-07:00$/).count(), mocked ? 1 : 0);
  assert.equal(await card(page, 'cloud').getByText(/At most/).count(), 0);
  // Terms alone ask nothing.
  await card(page, 'cloud').getByRole('button', { name: 'Change: cloud' }).click();
  await dialog.getByRole('checkbox', { name: /Limit the speed/ }).check();
  await dialog.getByLabel('At most').fill('500');
  await dialog.getByLabel('Unit').selectOption('kB');
  await dialog.getByRole('checkbox', { name: /Quiet hours/ }).check();
  await dialog.getByLabel('From').fill('01:00');
  await dialog.getByLabel('Until').fill('02:30');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await heard(page, /cloud is changed/);
  await card(page, 'cloud').getByText('At most 500kB/s').waitFor();
  await card(page, 'cloud').getByText('Quiet 01:00-02:30').waitFor();
  // And taken back, in the same place.
  await card(page, 'cloud').getByRole('button', { name: 'Change: cloud' }).click();
  assert.equal(await dialog.getByLabel('At most').inputValue(), '500');
  await dialog.getByRole('checkbox', { name: /Limit the speed/ }).uncheck();
  await dialog.getByRole('checkbox', { name: /Quiet hours/ }).uncheck();
  await dialog.getByRole('button', { name: 'Save' }).click();
  await page.waitForFunction(() => !/500kB/.test(document.body.textContent));
  assert.deepEqual(wrong, []);
});

test('the storage page adds up what lies here, shows a plan first, and frees just that', async ({ page, wrong, library, pictures }) => {
  connectTwo(library);
  if (!mocked) { library.run('sync', 'nas'); }
  await visit(page, '/storage');
  await page.getByRole('heading', { name: /The library takes .+ here/ }).waitFor();
  await page.getByText('Originals, sealed').waitFor();
  await page.getByRole('checkbox', { name: /Also take new proofs/ }).focus();
  await page.keyboard.press('Space');
  await page.getByRole('button', { name: 'See what may go' }).focus();
  await page.keyboard.press('Enter');
  const free = page.getByRole('button', { name: /^Free [\d,]+ originals? \(/ });
  await free.waitFor();
  await page.getByText('What stays here, and why').waitFor();
  assert.deepEqual(await violations(page), []);
  await pictures('storage-plan');
  const many = Number(/[\d,]+/.exec(await free.textContent())[0].replace(',', ''));
  await free.focus();
  await page.keyboard.press('Enter');
  await done(page, 'Making room');
  await page.getByText(new RegExp(`^${many.toLocaleString('en')} originals? (was|were) freed`)).waitFor();
  if (!mocked) {
    const standing = JSON.parse(library.run('local', '--json'));
    assert.equal(standing.away_originals, many, 'the command line says the same');
    library.run('local', 'fetch', '--all');
  }
  // The rules of this device: one that is too old is refused, another holds.
  const days = page.getByLabel(/A proof is good for/);
  await days.fill('14');
  await page.getByRole('button', { name: 'Save' }).click();
  await heard(page, /The rules are kept/);
  if (!mocked) assert.equal(JSON.parse(library.run('local', '--json')).settings.proof_age_seconds, 14 * 86_400);
  assert.deepEqual(wrong, []);
});

test('the thaw basket is filled from the selection, asked for, watched and emptied', async ({ browser, pictures }) => {
  // Archived photos are the stand-in's: what a provider's archive does is the engine's own test.
  const made = standIn(4_000);
  try {
    const { page, context, wrong } = await open(browser, await made.address);
    await visit(page, '/thaw');
    await page.getByRole('heading', { name: 'The basket is empty' }).waitFor();
    await page.getByRole('link', { name: 'See what is not here' }).click();
    await page.waitForSelector('[role=gridcell] img');
    await page.evaluate(() => document.querySelector('[data-index="0"]').focus());
    for (const key of ['Space', 'Shift+ArrowRight', 'Shift+ArrowRight', 'Shift+ArrowRight']) await page.keyboard.press(key);
    await page.getByRole('button', { name: 'More' }).last().click();
    await page.getByRole('button', { name: 'Into the thaw basket' }).click();
    await heard(page, /4 photos lie in the thaw basket now/);
    await page.keyboard.press('Escape');
    await visit(page, '/remotes');
    await page.getByRole('link', { name: 'Thaw basket' }).click();
    await page.getByRole('heading', { name: '4 photos in the basket' }).waitFor();
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      assert.deepEqual(await violations(page), [], colorScheme);
    }
    await pictures('thaw-basket', page);
    await page.setViewportSize({ width: 390, height: 844 });
    assert.deepEqual(await nothingRunsOff(page), []);
    await pictures('thaw-basket-phone', page);
    await page.setViewportSize({ width: 1280, height: 800 });
    // What it costs and how long it takes is said before anything is asked.
    await page.getByText(/about \$0\.42, at standard priority/).waitFor();
    await page.getByRole('radio', { name: /High priority.*Within 1 hour.*more than the estimate/ }).focus();
    await page.keyboard.press('Space');
    await page.getByRole('radio', { name: /Standard/ }).focus();
    await page.keyboard.press('Space');
    const asked = page.waitForRequest((request) => request.url().endsWith('/thaw') && request.method() === 'POST');
    await page.getByRole('button', { name: /^Ask for 2 photos, about/ }).focus();
    await page.keyboard.press('Enter');
    assert.deepEqual((await asked).postDataJSON(), { priority: 'standard' });
    await done(page, 'Thawing');
    await page.getByText('2 parts were asked for').waitFor();
    await page.getByText('3 originals are being thawed').waitFor();
    assert.equal(await page.getByRole('button', { name: /^Ask for/ }).count(), 0, 'nothing is asked for twice');
    await page.getByRole('button', { name: 'Fetch what can be read' }).click();
    await page.getByText('1 original was fetched (4.2 MB)').waitFor();
    await page.getByRole('heading', { name: '3 photos in the basket' }).waitFor();
    await page.getByRole('button', { name: /^Take IMG_\d+\.jpg out of the basket/ }).first().click();
    await page.getByRole('heading', { name: '2 photos in the basket' }).waitFor();
    await page.getByRole('button', { name: 'Empty the basket' }).click();
    await page.getByRole('heading', { name: 'The basket is empty' }).waitFor();
    assert.deepEqual(wrong, []);
    await context.close();
  } finally { await made.stop(); }
});

test('long work can be stopped, and says that it goes on from there', async ({ browser }) => {
  const made = standIn(400);
  try {
    const { page, context, wrong } = await open(browser, await made.address);
    await visit(page, '/remotes');
    await page.getByRole('button', { name: 'Sync now: nas' }).click();
    const panel = page.locator('section.job');
    await panel.getByRole('progressbar').waitFor();
    assert.ok(await page.getByRole('button', { name: 'Sync everything now' }).isDisabled(), 'one at a time');
    // On another page and back: it is still told.
    await visit(page, '/storage');
    await visit(page, '/remotes');
    await panel.getByRole('button', { name: 'Stop' }).click();
    await panel.getByText('beginning again goes on from there').waitFor();
    assert.deepEqual(await violations(page), []);
    assert.deepEqual(wrong, []);
    await context.close();
  } finally { await made.stop(); }
});

test('the privacy page tells what a place sees in that place’s own numbers, and that nothing is to see where nothing rests', async ({ page, wrong, library, pictures }) => {
  connectTwo(library);
  await visit(page, '/privacy');
  await card(page, 'nas').getByRole('table').waitFor();
  const rows = await card(page, 'nas').locator('tbody tr').evaluateAll((all) => all.map((row) => [row.querySelector('code').textContent.replace('/', ''), Number(row.cells[2].textContent.replace(/\D/g, ''))]));
  if (mocked) assert.equal(rows.length, 9);
  else {
    // As they lie there.
    const place = JSON.parse(library.run('remote', 'privacy', 'nas', '--json'))[0];
    const root = place.address.replace('folder:', '');
    const count = (folder) => readdirSync(join(root, folder), { recursive: true, withFileTypes: true }).filter((one) => one.isFile()).length;
    assert.ok(rows.length > 5, 'nothing was synced');
    assert.deepEqual(rows, rows.map(([folder]) => [folder, count(folder)]));
    assert.equal(place.objects, rows.reduce((sum, [, objects]) => sum + objects, 0));
  }
  assert.ok(await card(page, 'nas').getByText('devices write, under random names').or(card(page, 'nas').getByText('device writes, under a random name')).count());
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    assert.deepEqual(await violations(page), [], colorScheme);
    await pictures(`privacy-${colorScheme}`);
  }
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
  await page.setViewportSize({ width: 390, height: 800 });
  assert.deepEqual(await nothingRunsOff(page), []);
  await pictures('privacy-phone');
  await page.setViewportSize({ width: 1280, height: 800 });
  assert.deepEqual(wrong, []);
});

test('what only another device keeps is looked for at once, and it is said who keeps it and what came of it', async ({ browser, pictures }) => {
  if (mocked) return;
  // Two devices of a library of their own: the first keeps one original to itself.
  const keeper = new Library();
  const second = new Library();
  rmSync(second.pass);
  second.pass = keeper.pass;
  try {
    keeper.make(null, (folder) => { for (const seed of [40, 200]) drawNoise(folder, `NOISE_${seed}.png`, seed); });
    const kept = JSON.parse(keeper.run('--json', 'list'))[0].id;
    const address = `folder:${join(keeper.folder, 'nas')}`;
    mkdirSync(join(keeper.folder, 'nas'));
    keeper.run('remote', 'add', 'nas', address);
    keeper.run('sync', 'off', kept);
    keeper.run('device', 'rename', JSON.parse(keeper.run('--json', 'device', 'list'))[0].id, 'Darkroom laptop');
    keeper.run('sync');
    second.run('--recovery-file', join(keeper.folder, 'words'), 'join', address, '--name', 'nas');
    const serve = second.serve();
    const { context, page, wrong } = await open(browser, await serve.address);
    await page.locator(`[role=gridcell][aria-label*="On another device"]`).first().focus();
    await page.keyboard.press('Enter');
    const button = page.getByRole('button', { name: 'Look for it now' });
    await button.focus();
    await page.keyboard.press('Enter');
    await heard(page, /It was looked for and found in no remote; device Darkroom laptop keeps it.*\. Sync on the device that keeps it, then here with “Sync now”/);
    await page.getByRole('button', { name: 'Sync now' }).waitFor();
    assert.equal(await page.locator('.said').count(), 0, 'no message lies over the button');
    assert.equal((await focused(page)).name, 'Look for it now', 'it can be tried again');
    assert.deepEqual(await violations(page), []);
    await pictures('viewer-elsewhere', page);
    keeper.run('sync', 'auto', kept);
    keeper.run('sync');
    await page.keyboard.press('Enter');
    await heard(page, /It was found and fetched/);
    await page.waitForFunction(() => ![...document.querySelectorAll('button')].some((one) => /Look for it/.test(one.textContent)));
    assert.match((await focused(page)).name, /^Picture/, 'the focus is not lost with the button');
    assert.deepEqual(wrong, []);
    await context.close();
    await serve.stop();
  } finally {
    second.remove();
    keeper.remove();
  }
});
