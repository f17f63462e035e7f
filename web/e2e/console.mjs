// What a walk through the gallery leaves in the browser's console: nothing, not even of what cannot be loaded.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { drawNoise, Library, open, PASSPHRASE, visit } from './gallery.mjs';
import { heard, mocked, PAGES, test } from './steps.mjs';

test('a walk through the gallery leaves no error in the console, not even one of something that could not be loaded', async ({ browser, again }) => {
  if (mocked) return;
  const { page, context } = await again(browser, {});
  const errors = [];
  page.on('console', (message) => { if (message.type() === 'error') errors.push(`${message.text()} ${message.location().url}`); });
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.reload();
  await page.waitForSelector('[role=gridcell] .pick');
  const total = Number(/\d+/.exec(await page.locator('.count').textContent())[0]);
  // Every photo in the viewer, also those that no program can draw.
  await page.evaluate(() => document.querySelector('[data-index="0"]').focus());
  await page.keyboard.press('Enter');
  const viewer = page.locator('dialog[open]');
  await viewer.locator('.stage').waitFor();
  for (let at = 1; at < total; at++) {
    await page.keyboard.press('ArrowRight');
    await page.waitForFunction((number) => document.querySelector('dialog[open]')?.getAttribute('aria-label')?.includes(`Photo ${number} of`), (at + 1).toLocaleString('en'));
    await page.waitForTimeout(80);
  }
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.querySelector('dialog') === null);
  // Into the trash, with the viewer open and without, and out again.
  await page.keyboard.press('Control+Home');
  await page.waitForSelector('[data-index="0"] .pick');
  await page.keyboard.press('Delete');
  await heard(page, /put into the trash/);
  await page.waitForTimeout(500);
  await page.keyboard.press('Enter');
  await viewer.waitFor();
  await page.keyboard.press('Delete');
  await heard(page, /put into the trash/);
  await page.waitForTimeout(500);
  await page.keyboard.press('Escape');
  await visit(page, '/trash');
  await page.waitForSelector('[role=gridcell] .pick');
  await page.evaluate(() => document.querySelector('[role=gridcell]').focus());
  await page.keyboard.press('Control+A');
  await page.getByRole('button', { name: 'Bring back' }).click();
  await heard(page, /2 photos brought back/);
  // Every page, hidden photos as the closed door that they are.
  for (const path of PAGES) {
    await visit(page, path);
    await page.waitForTimeout(300);
  }
  await visit(page, '/hidden');
  await page.reload();
  await page.getByRole('heading', { name: 'Hidden photos are closed' }).waitFor();
  await page.waitForTimeout(500);
  assert.deepEqual(errors, []);
  await context.close();
});

test('a library that is locked, and one that is not there yet, are asked for nothing that would be refused', async ({ browser, page, wrong }) => {
  if (mocked) return;
  await visit(page, '/');
  await page.getByRole('button', { name: 'Lock now' }).click();
  await page.getByRole('heading', { name: 'Locked' }).waitFor();
  await page.reload();
  await page.getByRole('heading', { name: 'Locked' }).waitFor();
  await page.waitForTimeout(500);
  assert.deepEqual(wrong, []);
  await page.getByLabel('Passphrase').fill(PASSPHRASE);
  await page.keyboard.press('Enter');
  await page.waitForSelector('[role=gridcell]');
  assert.deepEqual(wrong, []);
  const none = new Library();
  try {
    const serve = none.serve({ SAFELIGHT_PASSPHRASE_FILE: undefined });
    const first = await open(browser, await serve.address);
    await first.page.getByRole('heading', { name: 'Welcome', exact: true }).waitFor();
    await first.page.reload();
    await first.page.getByRole('heading', { name: 'Welcome', exact: true }).waitFor();
    await first.page.waitForTimeout(500);
    assert.deepEqual(first.wrong, []);
    await first.context.close();
    await serve.stop();
  } finally { none.remove(); }
});

/** Everything that the console of a page says is wrong from now on. */
function errorsOf(page) {
  const errors = [];
  page.on('console', (message) => { if (message.type() === 'error') errors.push(`${message.text()} ${message.location().url}`); });
  page.on('pageerror', (error) => errors.push(String(error)));
  return errors;
}
/** A library of a few photos, of which nothing else knows. */
function few(count) {
  const own = new Library();
  own.make(null, (folder) => { for (let seed = 0; seed < count; seed++) drawNoise(folder, `FEW_${seed}.png`, 300 + seed); });
  return own;
}

test('what somebody is asked before it is done, or mistypes, or has removed, leaves no error in the console', async ({ browser }) => {
  if (mocked) return;
  const own = few(5);
  try {
    mkdirSync(join(own.folder, 'cloud'));
    own.run('remote', 'add', 'cloud', `folder:${join(own.folder, 'cloud')}`, '--policy', 'selective');
    own.run('remote', 'set', 'cloud', 'expose=2');
    const serve = own.serve();
    const { page, context, wrong } = await open(browser, await serve.address);
    const errors = errorsOf(page);
    await page.waitForSelector('[role=gridcell] .pick');
    // Photos are switched on beyond what goes without being asked about: no, and then yes.
    await page.evaluate(() => document.querySelector('[data-index="0"]').focus());
    await page.keyboard.press('Control+A');
    await heard(page, /5 chosen/);
    await page.keyboard.press('w');
    const dialog = page.getByRole('dialog');
    const cloud = dialog.locator('li', { has: page.getByText('cloud', { exact: true }) });
    for (const answer of ['Leave it as it was', 'Send all 5']) {
      await cloud.getByRole('button', { name: 'Send', exact: true }).click();
      await dialog.getByRole('alert').getByRole('button', { name: answer }).click();
    }
    await heard(page, /5 photos go to cloud now/);
    await cloud.getByRole('button', { name: 'By policy' }).click();
    await heard(page, /The policy of cloud decides/);
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => document.querySelector('dialog') === null);
    await page.keyboard.press('Escape');
    // A policy that would send more is asked about as well.
    await visit(page, '/remotes');
    await page.getByRole('button', { name: 'Change: cloud' }).click();
    const change = page.getByRole('dialog', { name: 'What goes to cloud, and when' });
    await change.getByRole('combobox').first().fill('type:photo');
    await change.getByRole('button', { name: 'Save' }).click();
    await change.getByRole('alert').getByRole('button').first().click();
    await heard(page, /cloud is changed/);
    // A search with a mistake in it, in the timeline and where a smart album is made of one.
    await visit(page, '/');
    await page.locator('#search').fill('date:2023-13');
    await page.keyboard.press('Enter');
    await page.getByText(/a date is/i).first().waitFor();
    await visit(page, '/albums');
    await page.getByRole('button', { name: 'New smart album' }).first().click();
    await page.getByRole('dialog').getByRole('combobox').fill('date:2023-');
    await page.getByRole('dialog').getByRole('status').filter({ hasText: /date/ }).waitFor();
    await page.waitForTimeout(500);
    await page.keyboard.press('Escape');
    if (await page.getByRole('dialog').count()) await page.keyboard.press('Escape');
    // An album is removed on its own page, and one that is gone is looked at once more.
    own.run('album', 'add', 'Gone');
    own.run('set', 'type:photo', 'album+=Gone', '--yes');
    await visit(page, '/albums');
    await page.getByRole('link', { name: /Gone/ }).click();
    await page.waitForSelector('[role=gridcell] .pick');
    const address = new URL(page.url()).pathname;
    await page.getByRole('button', { name: 'Rename, move or remove this album' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Remove album' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Remove album' }).click();
    await heard(page, /Gone/);
    await visit(page, address);
    await page.getByRole('heading', { name: 'This album is not there any more' }).waitFor();
    await page.waitForTimeout(500);
    assert.deepEqual([...errors, ...wrong], []);
    await context.close();
    await serve.stop();
  } finally { own.remove(); }
});

test('a place that the command line connects shows on the pictures at once', async ({ browser }) => {
  if (mocked) return;
  const own = few(3);
  try {
    const serve = own.serve();
    const { page, context, wrong } = await open(browser, await serve.address);
    await page.waitForSelector('[role=gridcell] .pick');
    assert.equal(await page.locator('[role=gridcell] .sync').count(), 0);
    mkdirSync(join(own.folder, 'nas'));
    own.run('remote', 'add', 'nas', `folder:${join(own.folder, 'nas')}`);
    await page.waitForFunction(() => [...document.querySelectorAll('[role=gridcell]')].filter((cell) => cell.getAttribute('aria-label').includes('Waiting')).length === 3, null, { timeout: 8_000 });
    assert.deepEqual(wrong, []);
    await context.close();
    await serve.stop();
  } finally { own.remove(); }
});

test('a tab that was open when the server was started again says so, leaves no error, and goes on once the gallery is opened anew', async ({ browser }) => {
  if (mocked) return;
  const own = few(3);
  try {
    const before = own.serve();
    const address = await before.address;
    const { port } = new URL(address);
    const { page, context, wrong } = await open(browser, address);
    await page.waitForSelector('[role=gridcell] .pick');
    const errors = errorsOf(page);
    await before.stop();
    // That nobody answers meanwhile is the one thing that the browser itself says.
    const serve = own.serve({}, '--port', port);
    const anew = await serve.address;
    await page.getByRole('heading', { name: 'Safelight was started again' }).waitFor();
    assert.equal(await page.locator('[role=gridcell]').count(), 0, 'nothing of the library stays on it');
    assert.deepEqual(errors.filter((error) => !/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET/.test(error)), []);
    const other = await context.newPage();
    await other.goto(anew);
    await other.waitForSelector('[role=gridcell] .pick');
    // The old one goes on by itself.
    await page.waitForSelector('[role=gridcell] .pick');
    assert.deepEqual(wrong, []);
    await context.close();
    await serve.stop();
  } finally { own.remove(); }
});
