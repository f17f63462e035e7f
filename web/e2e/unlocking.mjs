// The ways to unlock, the recovery words on paper, and the brake, as whoever has only the gallery meets them.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { drawNoise, Library, open, PASSPHRASE, visit } from './gallery.mjs';
import { answersLate, heard, mocked, test, violations } from './steps.mjs';

async function clean(page, name, pictures) {
  for (const colorScheme of ['dark', 'light']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    assert.deepEqual(await violations(page), [], `${name}, ${colorScheme}`);
    await pictures(`${name}-${colorScheme}`, page);
  }
}

test('a passphrase is added and another taken away by keys, and the recovery words are printed and tried out', async ({ browser, pictures }) => {
  if (mocked) return;
  const own = new Library();
  try {
    own.make(null, (folder) => drawNoise(folder, 'ONE.png', 4));
    const serve = own.serve();
    const { page, context, wrong } = await open(browser, await serve.address);
    const errors = [];
    page.on('console', (message) => { if (message.type() === 'error') errors.push(`${message.text()} ${message.location().url}`); });
    await page.waitForSelector('[role=gridcell] .pick');
    await visit(page, '/keys');
    const ways = page.getByRole('list', { name: 'Ways to unlock' });
    await ways.getByText('passphrase', { exact: true }).waitFor();
    await clean(page, 'keys', pictures);
    const before = await ways.getByRole('listitem').count();

    await page.getByRole('button', { name: 'Add a passphrase' }).focus();
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'Add a passphrase' });
    await dialog.getByLabel('What to call it').fill('for travelling');
    // One that is guessed in no time is taken only by whoever says so.
    await dialog.getByLabel('Passphrase', { exact: true }).fill('password12');
    await dialog.getByLabel('Once more').fill('password12');
    const agree = dialog.getByRole('checkbox', { name: /whoever copies this library can guess it/ });
    await agree.waitFor();
    const take = dialog.locator('form button.main');
    assert.ok(await take.isDisabled(), 'not before it is agreed to');
    await agree.check();
    assert.ok(await take.isEnabled());
    await dialog.getByLabel('Passphrase', { exact: true }).fill('another lamp for the road');
    assert.equal(await agree.count(), 0);
    await dialog.getByLabel('Once more').fill('another lamp for the road');
    await page.waitForFunction(() => !document.querySelector('dialog form button.main').disabled);
    await page.keyboard.press('Enter');
    // Whoever sits down at an open page adds none.
    await dialog.getByLabel('Passphrase', { exact: true }).fill('a guess of somebody');
    await page.keyboard.press('Enter');
    await dialog.getByText(/does not open the library/).waitFor();
    await dialog.getByLabel('Passphrase', { exact: true }).fill(PASSPHRASE);
    await page.keyboard.press('Enter');
    await heard(page, /The passphrase opens the library now/);
    await ways.getByText('for travelling').waitFor();
    assert.equal(await ways.getByRole('listitem').count(), before + 1);

    await page.getByRole('button', { name: 'Remove passphrase' }).focus();
    await page.keyboard.press('Enter');
    const taking = page.getByRole('dialog', { name: 'Remove passphrase' });
    await taking.getByLabel('Passphrase', { exact: true }).fill('another lamp for the road');
    await page.keyboard.press('Enter');
    await heard(page, /passphrase opens the library no more/);
    assert.equal(await ways.getByRole('listitem').count(), before);

    // On paper.
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Get the page to print' }).press('Enter')]);
    assert.equal(download.suggestedFilename(), 'safelight-recovery-kit.pdf');
    assert.match(readFileSync(await download.path(), 'latin1'), /^%PDF-1/);
    const words = readFileSync(join(own.folder, 'words'), 'utf8').trim();
    const typed = page.getByLabel(/^The 24 recovery words/);
    await page.getByText(/Nobody has tried out yet/).waitFor();
    await typed.fill(`${Array(23).fill('abandon').join(' ')} art`);
    await page.getByRole('button', { name: 'Try them out' }).press('Enter');
    await page.getByRole('alert').filter({ hasText: 'not the recovery words of this library' }).waitFor();
    await typed.fill(words.split(' ').toReversed().join(' '));
    await page.getByRole('button', { name: 'Try them out' }).press('Enter');
    await page.getByRole('alert').filter({ hasText: 'do not fit together' }).waitFor();
    await typed.fill(words);
    await page.getByRole('button', { name: 'Try them out' }).press('Enter');
    await heard(page, /These words bring this library back/);
    await page.getByText(/You have tried out on this device/).waitFor();
    assert.equal(await typed.inputValue(), '', 'they do not stay on the page');
    assert.deepEqual([wrong, errors], [[], []]);
    await context.close();
    await serve.stop();
  } finally { own.remove(); }
});

test('the brake is told on every page, leads to the moment before, and is released by whoever says that it was meant', async ({ browser, pictures }) => {
  if (mocked) return;
  const own = new Library();
  try {
    own.make(null, (folder) => { for (const seed of [1, 2, 3, 4]) drawNoise(folder, `SHARED_${seed}.png`, 700 + seed); });
    mkdirSync(join(own.folder, 'nas'));
    const place = `folder:${join(own.folder, 'nas')}`;
    own.run('remote', 'add', 'nas', place);
    own.run('sync', 'nas');
    own.run('brake', 'set', '--share', '1', '--photos', '2');
    const other = (...words) => {
      const ran = spawnSync(process.env.SAFELIGHT_BIN, ['--library', join(own.folder, 'other'), ...words], { env: own.env(), encoding: 'utf8' });
      assert.ok(ran.status === 0 || ran.status === 1, `${words}: ${ran.stdout}${ran.stderr}`);
    };
    other('--recovery-file', join(own.folder, 'words'), 'join', place, '--name', 'nas');
    other('--yes', 'trash', 'SHARED_1.png', 'SHARED_2.png', 'SHARED_3.png');
    other('sync');
    own.run('sync', 'nas');
    const serve = own.serve();
    const { page, context, wrong } = await open(browser, await serve.address);
    const banner = page.getByRole('region', { name: 'The brake is on' });
    await banner.getByText(/3 of 4 photos at once/).waitFor();
    await clean(page, 'brake', pictures);
    // From any page, and also where the news of it is here before the answer.
    await visit(page, '/devices');
    const atOnce = await answersLate(page, '**/api/v1/past');
    await banner.getByRole('button', { name: 'Look at the moment before' }).press('Enter');
    await page.getByRole('region', { name: 'As it was' }).waitFor();
    await page.waitForFunction(() => location.pathname === '/');
    await atOnce();
    await page.waitForFunction(() => document.querySelectorAll('[role=gridcell]').length === 4);
    await page.getByRole('button', { name: 'Back to today' }).press('Enter');
    await banner.getByRole('button', { name: 'It was meant' }).press('Enter');
    const dialog = page.getByRole('dialog', { name: 'It was meant' });
    assert.deepEqual(await violations(page), []);
    await dialog.getByRole('button', { name: 'Release the brake' }).press('Enter');
    await heard(page, /The brake is off/);
    await page.waitForFunction(() => document.querySelector('.brake') === null);
    assert.deepEqual(wrong, []);
    await context.close();
    await serve.stop();
  } finally { own.remove(); }
});
