// What a walk through the gallery leaves in the browser's console: nothing, not even of what cannot be loaded.
import assert from 'node:assert/strict';
import { Library, open, PASSPHRASE, visit } from './gallery.mjs';
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
