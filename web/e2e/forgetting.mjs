// Forgetting photos for good: what is said first, how it is asked, and the receipt.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { drawNoise, visit } from './gallery.mjs';
import { heard, mocked, test, violations } from './steps.mjs';

test('a photo is forgotten only by whoever types that it is meant, and its receipt is shown and kept', async ({ page, wrong, library, pictures }) => {
  if (mocked) return;
  const name = 'FORGET_ME.png';
  const folder = join(library.folder, 'photos');
  drawNoise(folder, name, 991);
  library.run('import', join(folder, name), '--yes');
  await visit(page, `/?q=${encodeURIComponent(`name:${name}`)}`);
  await page.locator(`[role=gridcell][aria-label*="${name}"]`).focus();
  await page.keyboard.press('Delete');
  await heard(page, /1 photo put into the trash/);
  await visit(page, '/trash');
  await page.locator(`[role=gridcell][aria-label*="${name}"]`).focus();
  await page.keyboard.press('Space');
  await page.getByRole('toolbar', { name: 'Chosen photos' }).getByRole('button', { name: 'Forget for good' }).click();
  const dialog = page.getByRole('dialog', { name: 'Forget 1 photo for good' });
  await dialog.getByText(/all that history says of it/).waitFor();
  for (const said of [/no way back/, /Where bytes may remain/, /Backups of this computer/, /exported, shared or copied/]) assert.equal(await dialog.getByText(said).count(), 1, String(said));
  for (const colorScheme of ['dark', 'light']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    assert.deepEqual(await violations(page), [], colorScheme);
  }
  await pictures('forget');
  // Neither a click nor Enter alone does it.
  const go = dialog.getByRole('button', { name: 'Forget 1 photo for good' });
  assert.ok(await go.isDisabled());
  await dialog.getByRole('textbox').focus();
  await page.keyboard.press('Enter');
  await page.keyboard.type('forge');
  await page.keyboard.press('Enter');
  assert.ok(await go.isDisabled());
  assert.equal(JSON.parse(library.run('--json', 'list', `name:${name} is:trashed`)).length, 1, 'it is still there');
  await page.keyboard.type('t');
  await page.keyboard.press('Enter');
  await dialog.getByRole('heading', { name: 'The receipt' }).waitFor();
  await dialog.getByText(/1 photo forgotten here/).waitFor();
  assert.deepEqual(await violations(page), []);
  await pictures('forgotten');
  const coming = page.waitForEvent('download');
  await dialog.getByRole('button', { name: 'Save the receipt' }).click();
  const file = await coming;
  assert.match(file.suggestedFilename(), /^safelight-receipt-\d{14}\.json$/);
  const receipt = readFileSync(await file.path(), 'utf8');
  assert.ok(library.run('trash', 'receipts').includes(receipt.trim()), 'to the byte as the library keeps it');
  assert.ok(!receipt.includes(name));
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.querySelector('dialog') === null);
  assert.equal(JSON.parse(library.run('--json', 'list', `name:${name} is:trashed`)).length, 0);
  await page.getByRole('button', { name: 'Receipts of forgetting' }).click();
  const kept = page.getByRole('dialog', { name: 'Receipts of forgetting' });
  await kept.getByText(/^Receipt of /).first().click();
  await kept.getByText(/safelight_receipt/).waitFor();
  assert.deepEqual(await violations(page), []);
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.querySelector('dialog') === null);
  assert.deepEqual(wrong, []);
});
