// The library as it was: a day looked back at, photos made so again, snapshots, and what was changed by whom.
import assert from 'node:assert/strict';
import { drawNoise, Library, open, PASSPHRASE, visit } from './gallery.mjs';
import { answersLate, heard, mocked, test, violations } from './steps.mjs';

async function clean(page, name, pictures) {
  for (const colorScheme of ['dark', 'light']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    assert.deepEqual(await violations(page), [], `${name}, ${colorScheme}`);
    await pictures(`${name}-${colorScheme}`, page);
  }
}

const photos = (page) => page.locator('[role=gridcell]').evaluateAll((cells) => cells.map((cell) => cell.getAttribute('aria-label')));

test('the library is looked at as it was, by keys, and photos of it are made so again', async ({ browser, pictures }) => {
  if (mocked) return;
  const own = new Library();
  try {
    own.make(null, (folder) => { for (const seed of [1, 2, 3]) drawNoise(folder, `KEPT_${seed}.png`, 900 + seed); });
    own.run('set', 'KEPT_1.png', 'caption=Before the storm');
    const serve = own.serve();
    const { page, context, wrong } = await open(browser, await serve.address);
    const errors = [];
    page.on('console', (message) => { if (message.type() === 'error') errors.push(`${message.text()} ${message.location().url}`); });
    await page.waitForSelector('[role=gridcell] .pick');
    await visit(page, '/history');
    const name = page.getByLabel('Name, if you like');
    await name.focus();
    await page.keyboard.type('before it all');
    await page.keyboard.press('Enter');
    await heard(page, /before it all is kept/);
    // A name that is taken is refused in words, and no console calls that an error.
    await name.fill('before it all');
    await page.keyboard.press('Enter');
    await page.getByText(/give it another name/i).first().waitFor();
    await name.fill('');

    // Everything goes wrong after that; one photo is hidden on purpose.
    own.run('set', 'KEPT_1.png', 'caption=Scribble');
    own.run('set', 'KEPT_3.png', 'hidden=yes');
    own.run('--yes', 'trash', 'KEPT_2.png');
    await page.getByText(/put into the trash/i).first().waitFor();
    await clean(page, 'history', pictures);
    assert.ok(!(await page.content()).includes('KEPT_3'), 'what is hidden is not told of');
    // By sort, and by a day on which nothing was done.
    await page.locator('select').nth(1).selectOption('trash');
    await page.waitForFunction(() => document.querySelectorAll('.log li').length === 1);
    await page.getByLabel('Until').fill('2001-01-01');
    await page.getByText('Nothing was changed then.').waitFor();

    // Back then, in every window, whatever page it shows and whether the answer or the news of it comes first.
    const second = await context.newPage();
    await second.goto(new URL('/albums', page.url()).href);
    await second.getByRole('heading', { name: 'Albums', exact: true }).waitFor();
    const atOnce = await answersLate(page, '**/api/v1/past');
    await page.getByRole('button', { name: 'Look at it: before it all' }).focus();
    await page.keyboard.press('Enter');
    for (const window of [page, second]) {
      await window.getByRole('region', { name: 'As it was' }).getByText(/snapshot before it all/).waitFor();
      await window.waitForFunction(() => location.pathname === '/');
    }
    await atOnce();
    await second.close();
    await page.waitForSelector('[role=gridcell] .pick');
    const then = await photos(page);
    assert.equal(then.length, 2, 'what is hidden today stays hidden, what was trashed is there');
    assert.ok(then.some((label) => label.includes('Before the storm')), then.join('\n'));
    await clean(page, 'past', pictures);
    await page.reload();
    await page.getByRole('region', { name: 'As it was' }).waitFor();
    await page.waitForSelector('[role=gridcell] .pick');

    // Nothing is changed there, and that is said.
    await page.evaluate(() => document.querySelector('[data-index="0"]').focus());
    await page.keyboard.press('Delete');
    await page.getByText(/go back to today first/i).first().waitFor();

    // Made so again, of today.
    await page.keyboard.press('Control+a');
    await page.getByRole('button', { name: 'Make it so again' }).focus();
    await page.keyboard.press('Enter');
    await heard(page, /2 photos are as they were then/);
    await page.getByRole('button', { name: 'Back to today' }).focus();
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.querySelector('.past') === null);
    await page.waitForSelector('[role=gridcell] .pick');
    const now = await photos(page);
    assert.equal(now.length, 2);
    assert.ok(now.some((label) => label.includes('Before the storm')), now.join('\n'));
    const shown = JSON.parse(own.run('--json', 'list'));
    assert.equal(shown.items?.length ?? shown.length, 2, 'the command line says the same');

    // A day of before there was anything.
    await visit(page, '/history');
    await page.getByLabel('Day', { exact: true }).fill('2001-06-01');
    await page.getByRole('button', { name: 'Look at it', exact: true }).first().click();
    await page.getByRole('region', { name: 'As it was' }).waitFor();
    assert.equal((await photos(page)).length, 0);
    // It locks, and opens on today.
    await page.evaluate(() => fetch('/api/v1/lock', { method: 'POST', headers: { 'x-safelight': sessionStorage.getItem('safelight-secret'), 'content-type': 'application/json' }, body: '{}' }));
    await page.getByLabel('Passphrase').fill('another one');
    await page.keyboard.press('Enter');
    await page.getByText(/does not open the library/).waitFor();
    await page.getByLabel('Passphrase').fill(PASSPHRASE);
    await page.keyboard.press('Enter');
    await page.waitForSelector('[role=gridcell] .pick');
    assert.equal(await page.locator('.past').count(), 0);
    assert.deepEqual([wrong, errors], [[], []]);
    await context.close();
    await serve.stop();

    // From the command line.
    const past = own.serve({}, '--at', 'before it all');
    const back = await open(browser, await past.address);
    await back.page.getByRole('region', { name: 'As it was' }).waitFor();
    await back.context.close();
    await past.stop();
  } finally { own.remove(); }
});
